import net from "node:net";

/**
 * Unit tests only connect to this machine: a connection to any other address fails at once.
 * The other helpers import it for this effect.
 */
const LOOPBACK = /^(?:127\.\d+\.\d+\.\d+|::1|localhost|)$/;
const connect = net.Socket.prototype.connect as (this: net.Socket, ...args: unknown[]) => net.Socket;

net.Socket.prototype.connect = function (this: net.Socket, ...args: unknown[]) {
  const options = args.flat().find((arg) => typeof arg === "object" && arg !== null) as { host?: string } | undefined;
  const host = options?.host ?? "";
  if (!LOOPBACK.test(host)) throw new Error(`a unit test tried to reach ${host}`);
  return connect.apply(this, args);
} as typeof net.Socket.prototype.connect;
