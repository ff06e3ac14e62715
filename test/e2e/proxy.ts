import http from "node:http";
import type { AddressInfo } from "node:net";
import { pipeline } from "node:stream/promises";

export interface Proxy {
  readonly url: string;
  [Symbol.asyncDispose](): Promise<void>;
}

/** A server that forwards everything, but removes headers from requests and adds others to responses. */
export async function startProxy(
  target: { readonly hostname: string; readonly port: string },
  without: readonly string[] = [],
  answer: Readonly<Record<string, string>> = {},
): Promise<Proxy> {
  const server = http.createServer((request, response) => {
    const headers = Object.fromEntries(Object.entries(request.headers).filter(([name]) => !without.includes(name)));
    const { method, url: path } = request;
    const onward = http.request({ ...target, method, path, headers }, (answered) => {
      response.writeHead(answered.statusCode ?? 502, { ...answered.headers, ...answer });
      pipeline(answered, response).catch(() => response.destroy());
    });
    pipeline(request, onward).catch(() => response.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
