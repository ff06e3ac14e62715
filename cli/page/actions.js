// @ts-check
// Buttons that change something: what each does is said before and after.
import { act, Refused } from "./api.js";
import { byId, element, say } from "./dom.js";
import { counted } from "./format.js";

/** @typedef {import("../runtime/seen-scan.ts").SeenScan} SeenScan */
/** @typedef {import("../runtime/page-api.ts").ActionAnswers} ActionAnswers */
/**
 * @template Answer
 * @typedef {{ label: string, title: string, done: (answer: Answer) => string, question?: [title: string, text: string, yes: string] }} Action
 */

/**
 * One row a button.
 * @type {{ readonly [A in keyof ActionAnswers]: Action<ActionAnswers[A]> }}
 */
const ACTIONS = {
  redrive: {
    label: "Redrive",
    title: "Moves its message from the dead-letter queue back to the job queue, for another attempt",
    done: ({ moved }) => `${counted(moved, "message")} moved back to the job queue; the scan is retried.`,
  },
  drop: {
    label: "Drop…",
    title: "Deletes its message from the dead-letter queue; the scan stays in the bucket",
    question: [
      "Drop the message?",
      "Its message is deleted from the dead-letter queue and not retried. The scan itself stays in the bucket, and `dojo-relay backfill` finds it there.",
      "Drop it",
    ],
    done: ({ dropped }) => `${counted(dropped, "message")} deleted; the scan stays in the bucket.`,
  },
  resync: {
    label: "Resync",
    title: "Reads its test in DefectDojo again and writes current verdicts to findings.json; imports nothing",
    done: () => "The resync is enqueued; changes appear here.",
  },
};

/**
 * @template {keyof ActionAnswers} A
 * @param {A} name
 * @param {SeenScan} scan
 */
export function actionButton(name, scan) {
  const { label, title, question, done } = ACTIONS[name];
  const button = element("button", { type: "button", title, className: name }, label);
  button.setAttribute("aria-label", `${label.replace("…", "")} ${scan.scan}`);
  const press = async () => {
    if (question !== undefined && !(await confirmed(scan.scan, question))) return;
    button.disabled = true;
    say(`${label.replace("…", "")} of ${scan.scan}…`);
    try {
      say(`${scan.scan}: ${done(await act(name, scan.id))}`);
    } catch (error) {
      say(`${scan.scan}: ${error instanceof Refused ? error.message : String(error)}`);
    } finally {
      button.disabled = false;
    }
  };
  button.addEventListener("click", () => void press());
  return button;
}

/**
 * @param {string} scan
 * @param {[title: string, text: string, yes: string]} question
 * @returns {Promise<boolean>}
 */
function confirmed(scan, [title, text, yes]) {
  const dialog = /** @type {HTMLDialogElement} */ (byId("ask"));
  byId("ask-title").textContent = title;
  byId("ask-text").replaceChildren(element("b", {}, scan), `: ${text}`);
  byId("ask-yes").textContent = yes;
  dialog.returnValue = "no";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true });
  });
}
