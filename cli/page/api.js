// @ts-check
// The service's answers.

/** @typedef {import("../runtime/page-api.ts").ActionAnswers} ActionAnswers */
/** @typedef {import("../runtime/page-api.ts").PageAnswers & { follow: import("../follow-lag.ts").FollowLag | null }} PageAnswers */
/** Data are of the event's kind in `PageEvents`. @typedef {(name: string, data: unknown) => void} OnEvent */

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
 * @returns {Promise<unknown>}
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
 * @template {keyof PageAnswers} P
 * @param {P} path
 * @param {URLSearchParams} [asked]
 * @param {AbortSignal} [signal]
 */
export const ask = async (path, asked = new URLSearchParams(), signal = undefined) =>
  /** @type {PageAnswers[P]} */ (await send(`api/${path}?${asked}`, signal === undefined ? {} : { signal }));

/**
 * @template {keyof ActionAnswers} A
 * @param {A} action
 * @param {string} id
 */
export const act = async (action, id) =>
  /** @type {ActionAnswers[A]} */ (await send(`api/${action}`, { method: "POST", body: JSON.stringify({ id }) }));

/**
 * Follows the service's events for as long as the page is open.
 * @param {{ connected: () => void, away: () => void, locked: (tried: boolean) => void, event: OnEvent }} on
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
 * @param {OnEvent} onEvent
 */
async function readEvents(body, onEvent) {
  let held = "";
  const decoder = new TextDecoder();
  for await (const chunk of body) {
    held += decoder.decode(chunk, { stream: true });
    const events = held.split("\n\n");
    held = events.pop() ?? "";
    for (const event of events) {
      const name = /^event: (.*)$/m.exec(event)?.[1];
      const data = /^data: (.*)$/m.exec(event)?.[1];
      if (name !== undefined && data !== undefined) onEvent(name, JSON.parse(data));
    }
  }
}
