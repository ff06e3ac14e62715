// The page: scans as they pass. Everything that comes from a scan is set as text, never as markup.

/** One row a state: what it is called. */
const STATES = {
  waiting: "waiting",
  running: "running",
  again: "tried again",
  done: "done",
  superseded: "superseded",
  failed: "failed",
};
const SEVERITIES = ["high", "medium", "low", "informational"];
const RECONNECT_MS = 2_000;

const scans = new Map();
const rows = document.querySelector("#scans");
const connection = document.querySelector("#connection");
const login = document.querySelector("#login");
const filter = document.querySelector("#filter");

const headers = () => {
  const token = sessionStorage.getItem("token");
  return token === null ? {} : { authorization: `Bearer ${token}` };
};

/** Follows the service's events for as long as the page is open. */
async function follow() {
  try {
    const response = await fetch("api/scans", { headers: headers() });
    if (response.status === 401) {
      sessionStorage.removeItem("token");
      login.hidden = false;
      connection.textContent = "The service wants its WEBHOOK_TOKEN.";
      return;
    }
    login.hidden = true;
    connection.textContent = "live";
    await readEvents(response.body, receive);
  } catch {
    // Told below: the service is away, and comes back by itself.
  }
  connection.textContent = "The service does not answer; trying again…";
  setTimeout(() => void follow(), RECONNECT_MS);
}

/** https://html.spec.whatwg.org/multipage/server-sent-events.html, as far as our own service sends it. */
async function readEvents(body, onEvent) {
  let held = "";
  for await (const chunk of body.pipeThrough(new TextDecoderStream())) {
    held += chunk;
    const events = held.split("\n\n");
    held = events.pop();
    for (const event of events) {
      const name = /^event: (.*)$/m.exec(event)?.[1];
      const data = /^data: (.*)$/m.exec(event)?.[1];
      if (name !== undefined && data !== undefined) onEvent(name, JSON.parse(data));
    }
  }
}

function receive(name, data) {
  if (name === "all") {
    scans.clear();
    for (const scan of data.scans.toReversed()) scans.set(scan.id, scan);
  } else {
    scans.delete(data.id);
    scans.set(data.id, data);
  }
  show();
}

function show() {
  const wanted = filter.value.trim().toLowerCase();
  const all = [...scans.values()].toReversed();
  const shown = all.filter(({ scan, scanType, state }) =>
    `${scan} ${scanType} ${state}`.toLowerCase().includes(wanted),
  );
  rows.replaceChildren(...shown.map(toRow));
  document.querySelector("#empty").hidden = all.length > 0;
  const totals = Object.entries(STATES).map(([state, label]) => [
    all.filter((scan) => scan.state === state).length,
    label,
  ]);
  document
    .querySelector("#totals")
    .replaceChildren(
      ...totals
        .filter(([count]) => count > 0)
        .map(([count, label]) => element("li", {}, element("b", {}, count), label)),
    );
}

function toRow(scan) {
  const name = element("td", {}, element("span", {}, scan.scan), element("span", { className: "why" }, scan.scanType));
  const state = element("td", {}, element("span", { className: `state ${scan.state}` }, STATES[scan.state]));
  if (scan.counts) state.append(element("span", { className: "why" }, scan.counts));
  if (scan.why) state.append(element("span", { className: "why" }, scan.why));
  if (scan.unknownAnnotations)
    state.append(
      element("span", { className: "why" }, `${scan.unknownAnnotations} unknown annotations (see the receipt)`),
    );
  if (scan.advice) state.append(element("span", { className: "why" }, scan.advice));
  if (scan.state === "failed") state.append(redriveButton(scan));
  if (scan.findings === undefined) state.colSpan = 9; // there are no counts beside it
  const link = /^https?:/.test(scan.testUrl ?? "")
    ? [element("a", { href: scan.testUrl, rel: "noreferrer" }, "test")]
    : [];
  const counts = [
    element("td", {}, scan.importedAs ?? ""),
    ...SEVERITIES.map((severity) => number(scan.severities?.[severity])),
    ...[scan.new, scan.duplicates, scan.falsePositives].map(number),
  ];
  const row = element(
    "tr",
    {},
    name,
    state,
    ...(scan.findings === undefined ? [] : counts),
    element("td", {}, ...link),
    element("td", { className: "when" }, new Date(scan.at).toLocaleTimeString()),
  );
  row.dataset.id = scan.id;
  return row;
}

function redriveButton(scan) {
  const button = element("button", { type: "button" }, "redrive");
  button.addEventListener("click", async () => {
    button.disabled = true;
    const response = await fetch("api/redrive", {
      method: "POST",
      headers: headers(),
      body: JSON.stringify({ id: scan.id }),
    });
    if (!response.ok) {
      button.disabled = false;
      button.textContent = "not found in the dead-letter queue";
    }
  });
  return button;
}

const number = (value) => element("td", { className: "number" }, value ?? "");

function element(name, properties, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children.map((child) => (child instanceof Node ? child : String(child))));
  return made;
}

filter.addEventListener("input", show);
login.addEventListener("submit", (event) => {
  event.preventDefault();
  sessionStorage.setItem("token", document.querySelector("#token").value);
  void follow();
});
void follow();

const VERDICTS_MS = 15_000;

/** How far verdicts are followed, where they are. */
async function showVerdicts() {
  const response = await fetch("api/follow", { headers: headers() }).catch(() => undefined);
  const lag = response?.ok ? await response.json() : null;
  const line = document.querySelector("#verdicts");
  line.hidden = lag === null;
  if (lag !== null) line.textContent = `Verdicts of DefectDojo are here up to ${lag.lagSeconds} s ago.`;
}
setInterval(() => void showVerdicts(), VERDICTS_MS);
void showVerdicts();
