// @ts-check
// The service's answers.

/** @typedef {import("../runtime/seen-scan.ts").SeenScan} SeenScan */

const RECONNECT_MS = 2_000;

/** What the service said why not. */
export class Refused extends Error {
  /**
   * @param {number} status
   * @param {string} message
   */
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/** @returns {Record<string, string>} */
function headers() {
  const token = sessionStorage.getItem("token");
  return token === null ? {} : { authorization: `Bearer ${token}` };
}

/** @param {string} token */
export const keepToken = (token) => sessionStorage.setItem("token", token);

/**
 * @param {string} path
 * @param {RequestInit} [init]
 * @throws {Refused}
 */
async function send(path, init = {}) {
  const response = await fetch(path, { ...init, headers: headers() }).catch((error) => {
    if (init.signal?.aborted) throw error;
    throw new Refused(0, "The service does not respond.");
  });
  if (!response.ok) throw new Refused(response.status, (await response.text()).trim());
  return await response.json();
}

/**
 * @param {string} path
 * @param {URLSearchParams} [asked]
 * @param {AbortSignal} [signal]
 */
export const ask = (path, asked = new URLSearchParams(), signal = undefined) =>
  send(`api/${path}?${asked}`, signal === undefined ? {} : { signal });

/**
 * @param {"redrive" | "drop" | "resync"} action
 * @param {string} id
 */
export const act = (action, id) => send(`api/${action}`, { method: "POST", body: JSON.stringify({ id }) });

/**
 * Follows the service's events for as long as the page is open.
 * @param {{ connected: () => void, away: () => void, locked: (tried: boolean) => void, event: (name: string, data: any) => void }} on
 */
export async function follow(on) {
  try {
    const response = await fetch("api/scans", { headers: headers() });
    if (response.status === 401) {
      const tried = sessionStorage.getItem("token") !== null;
      sessionStorage.removeItem("token");
      on.locked(tried);
      return;
    }
    if (response.ok && response.body !== null) {
      on.connected();
      await readEvents(response.body, on.event);
    }
  } catch {
    // Told below: the service is away, and comes back by itself.
  }
  on.away();
  setTimeout(() => void follow(on), RECONNECT_MS);
}

/**
 * https://html.spec.whatwg.org/multipage/server-sent-events.html, as far as our own service sends it.
 * @param {ReadableStream<Uint8Array>} body
 * @param {(name: string, data: any) => void} onEvent
 */
async function readEvents(body, onEvent) {
  let held = "";
  for await (const chunk of body.pipeThrough(/** @type {any} */ (new TextDecoderStream()))) {
    held += chunk;
    const events = held.split("\n\n");
    held = events.pop() ?? "";
    for (const event of events) {
      const name = /^event: (.*)$/m.exec(event)?.[1];
      const data = /^data: (.*)$/m.exec(event)?.[1];
      if (name !== undefined && data !== undefined) onEvent(name, JSON.parse(data));
    }
  }
}
