// @ts-check
// The page: scans as they pass, and the finished ones behind them.
import { ask, follow, keepToken, Refused } from "./api.js";
import { hideDetails, showDetails } from "./details.js";
import { byId, say } from "./dom.js";
import { counted, safeUrl, when } from "./format.js";
import { offerChoices, prepareList, readFilter, showScans, showTotals, writeFilter } from "./list.js";
import { filterHash, historyQuery, NO_FILTER, readHash, shownScans, totals } from "./model.js";
import { showPlot } from "./plot.js";
import { themeButton } from "./theme.js";
import { learnVerdicts } from "./words.js";

/** @typedef {import("../runtime/seen-scan.ts").SeenScan} SeenScan */

/** Letters that are typed quickly are one question. */
const TYPING_MS = 200;
const VERDICTS_MS = 15_000;

/** @type {Map<string, SeenScan>} */
const live = new Map();
/** Older scans that match the filter, as far as they are loaded, and where the next page begins. */
const older = {
  scans: /** @type {SeenScan[]} */ ([]),
  next: /** @type {{ at: string, key: string } | undefined} */ (undefined),
};
/** @type {import("../runtime/history/history.ts").HistoryStatus} */
let history = { scans: 0 };
let filter = { ...NO_FILTER };
let loading = new AbortController();
/** Scans that changed since they were drawn. @type {Set<string>} */
const changed = new Set();

function draw() {
  const scans = shownScans(live.values(), older.scans, filter);
  showScans(scans, changed);
  changed.clear();
  showTotals(totals(live.values(), history.scans), filter.state, (state) => goTo({ ...filter, state }));
  const empty = byId("empty");
  empty.hidden = scans.length > 0;
  empty.textContent = Object.values(filter).some((value) => value !== "")
    ? "No scan matches the filter."
    : "No scans yet. Upload one to the bucket, and it appears here.";
  byId("older").hidden = older.next === undefined;
}

/** How far verdicts are followed, where they are. */
async function showVerdicts() {
  const lag = await ask("follow").catch(() => null);
  byId("verdicts").hidden = lag === null;
  if (lag !== null) byId("verdicts").textContent = `DefectDojo's verdicts are here up to ${lag.lagSeconds} s ago.`;
}

let drawing = 0;
/** At most once a frame, however much passes by. */
function drawSoon() {
  cancelAnimationFrame(drawing);
  drawing = requestAnimationFrame(draw);
}

/**
 * The first page of the history, or the next one.
 * @param {boolean} [more]
 */
async function loadOlder(more = false) {
  loading.abort();
  loading = new AbortController();
  const query = historyQuery(filter, more ? older.next : undefined);
  try {
    const page = query === undefined ? { scans: [], next: undefined } : await ask("history", query, loading.signal);
    older.scans = more ? [...older.scans, ...page.scans] : page.scans;
    older.next = page.next;
    draw();
  } catch (error) {
    tellOf(error);
  }
}

async function loadChoices() {
  try {
    const { products, types } = await ask("choices");
    offerChoices("product", products);
    offerChoices("type", types);
  } catch (error) {
    tellOf(error);
  }
}

/** @param {unknown} error */
function tellOf(error) {
  if (error instanceof Refused && error.status !== 401 && error.status !== 0) say(error.message);
}

/** The timer that takes what is being entered into the filter; 0 where nothing is. */
let entering = 0;

function stopEntering() {
  clearTimeout(entering);
  entering = 0;
}

/** @param {typeof filter} wanted */
function goTo(wanted) {
  const hash = filterHash(wanted);
  if (hash === (location.hash || "#")) void show();
  else location.hash = hash;
}

/** What the address asks for. */
async function show() {
  const asked = readHash(location.hash);
  byId("list").hidden = asked.scan !== undefined;
  if (asked.scan !== undefined) {
    await showDetails(asked.scan);
    return;
  }
  hideDetails();
  filter = asked.filter;
  // What is being entered takes the place of what the address asks for in a moment.
  if (entering === 0) writeFilter(filter);
  document.title = filter.product === "" ? "dojo-relay" : `${filter.product} · dojo-relay`;
  await Promise.all([loadOlder(), showPlot(filter.product)]);
}

function showHistory() {
  const { scans, lookedAt, trouble } = history;
  const known = `${counted(scans, "finished scan")} known`;
  byId("history").textContent =
    lookedAt === undefined
      ? `${known}; the bucket's receipts are being read for the first time…`
      : `${known}; the bucket was last looked at on ${when(lookedAt)}.`;
  const box = byId("trouble");
  box.hidden = trouble === undefined;
  box.textContent = trouble === undefined ? "" : `The bucket cannot be read; this is the last known state. ${trouble}`;
}

/** @typedef {import("../runtime/page.ts").PageEvents} PageEvents */

/** One row an event of the service. @type {{ readonly [E in keyof PageEvents]: (data: PageEvents[E]) => void }} */
const EVENTS = {
  all: (data) => {
    live.clear();
    for (const scan of data.scans) live.set(scan.id, scan);
    history = data.history;
    learnVerdicts(data.verdicts);
    const dojo = /** @type {HTMLAnchorElement} */ (byId("dojo"));
    const url = safeUrl(data.dojoUrl);
    dojo.hidden = url === undefined;
    if (url !== undefined) dojo.href = url;
    showHistory();
    void loadChoices();
    void showVerdicts();
    void show();
  },
  scan: ({ scan }) => {
    live.set(scan.id, scan);
    changed.add(scan.id);
    offerChoices(
      "product",
      [scan.product].filter((name) => name !== ""),
    );
    offerChoices(
      "type",
      [scan.scanType].filter((name) => name !== ""),
    );
    drawSoon();
    if (scan.state === "done" && readHash(location.hash).scan === scan.id) void showDetails(scan.id);
  },
  gone: ({ id }) => {
    live.delete(id);
    void loadOlder();
  },
  history: (status) => {
    const before = history;
    history = status;
    showHistory();
    drawSoon();
    void showPlot(filter.product);
    if (status.scans === before.scans) return;
    void loadChoices();
    // What the first look found, and what others imported; whoever has loaded older pages keeps them.
    if (readHash(location.hash).scan === undefined && older.next === undefined) void show();
  },
};

const HANDLERS = {
  connected: () => tellConnection("live", "live"),
  /** @type {(tried: boolean) => void} whether with a token */
  locked: (tried) => {
    tellConnection("locked", "");
    byId("wrong").hidden = !tried;
    byId("login").hidden = false;
    byId("token").focus();
  },
  away: () => tellConnection("The service does not respond; retrying…", "away"),
  /** @type {import("./api.js").OnEvent} */
  event: (name, data) => {
    const handlers = /** @type {Readonly<Record<string, ((data: unknown) => void) | undefined>>} */ (EVENTS);
    handlers[name]?.(data);
  },
};

/**
 * @param {string} text
 * @param {string} className
 */
function tellConnection(text, className) {
  byId("login").hidden = true;
  byId("connection").textContent = text;
  byId("connection").className = className;
}

prepareList();
setInterval(() => void showVerdicts(), VERDICTS_MS);
themeButton(() => void showPlot(filter.product));
byId("older").addEventListener("click", () => void loadOlder(true));
byId("login").addEventListener("submit", (event) => {
  event.preventDefault();
  keepToken(/** @type {HTMLInputElement} */ (byId("token")).value);
  void follow(HANDLERS);
});
byId("filters").addEventListener("submit", (event) => event.preventDefault());
byId("filters").addEventListener("reset", () => {
  stopEntering();
  setTimeout(() => goTo({ ...NO_FILTER }));
});
byId("filters").addEventListener("input", () => {
  stopEntering();
  entering = window.setTimeout(() => {
    stopEntering();
    goTo(readFilter());
  }, TYPING_MS);
});
byId("skip").addEventListener("click", (event) => {
  event.preventDefault();
  byId("main").focus();
});
window.addEventListener("hashchange", () => {
  say("");
  void show();
});
void follow(HANDLERS);
