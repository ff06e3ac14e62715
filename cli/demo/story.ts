import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { styleText } from "node:util";
import { sqsQueue } from "../../lib/aws/sqs-queue.ts";
import { fifo } from "../dlq/fifo.ts";
import { redriveDeadLetters } from "../dlq/redrive.ts";
import { printableLine } from "../terminal/printable.ts";
import { table } from "../terminal/table.ts";
import { forPeople, type Row } from "./rows.ts";
import { type BucketFinding, SCANS, type Stage } from "./stage.ts";
import { triage } from "./triage.ts";

/** Prints text for people; prints nothing with `--json`. */
export type Say = (text: string) => void;

/** The findings of Monday's scans that the team triages. */
const FALSE_POSITIVE_IN = "zap-shop";
const RISK_ACCEPTED_IN = "trivy-shop";
const BROKEN = "nmap-blog";

/**
 * The product's story: scans arrive, the team triages, the next scans bring the verdicts back, and failures lose nothing.
 * On the user's own DefectDojo, only the first chapter runs: verdicts there are theirs to give.
 * @returns how each scan ended
 */
export async function tellStory(stage: Stage, say: Say): Promise<Row[]> {
  const rows: Row[] = [];
  const arrive = async (title: string, folder: string) => {
    say(`\n${styleText("bold", title)}`);
    const arrived = await stage.arrive(folder);
    rows.push(...arrived);
    return arrived;
  };
  const show = (shown: readonly Row[]) => {
    say(table(shown.map(forPeople)));
    for (const { scan, loss } of shown) if (loss !== "") say(`   ${printableLine(`${scan}: ${loss}`)}`);
  };
  show(await arrive("1. Monday's scans arrive: everything is new", SCANS.monday));
  if (stage.standin === undefined) return rows;

  await judge(stage, say);
  const tuesday = await arrive("3. Tuesday's scans arrive: what is known stays known, with its verdict", SCANS.tuesday);
  show(tuesday);
  await compare(stage, say);

  show(await arrive("4. A report that DefectDojo's parser refuses arrives all the same", SCANS.refused));
  rows.push(await redrive(stage, say));
  return rows;
}

const idOf = ({ attributes }: BucketFinding) => Number(attributes["defectdojo.org/finding-id"]);
const isNew = ({ attributes }: BucketFinding) => attributes["duplicate"] === false;

async function judge(stage: Stage, say: Say): Promise<void> {
  const { standin } = stage;
  if (standin === undefined) return;
  say(`\n${styleText("bold", "2. The team triages in DefectDojo, and the bucket follows")}`);
  const [wrong, accepted] = await Promise.all([firstNew(stage, FALSE_POSITIVE_IN), firstNew(stage, RISK_ACCEPTED_IN)]);
  const followed = [stage.ended(FALSE_POSITIVE_IN), stage.ended(RISK_ACCEPTED_IN)];
  await triage(standin).falsePositive(idOf(wrong));
  say(`   false positive  ${printableLine(wrong.name)}`);
  await triage(standin).acceptRisk(idOf(accepted));
  say(`   risk accepted   ${printableLine(accepted.name)}`);
  await Promise.all(followed);
  say(
    `   Seconds later both verdicts are in ${FALSE_POSITIVE_IN}/findings.json and ${RISK_ACCEPTED_IN}/findings.json.`,
  );
}

async function firstNew(stage: Stage, scan: string): Promise<BucketFinding> {
  const found = (await stage.findings(scan)).find(isNew);
  if (found === undefined) throw new Error(`${scan}/findings.json holds no new finding`);
  return found;
}

/** What is new on Tuesday, and one finding before and after the sync. */
async function compare(stage: Stage, say: Say): Promise<void> {
  const fresh: BucketFinding[] = [];
  for (const scan of ["nmap-shop-tuesday", "trivy-shop-tuesday", "zap-shop-tuesday"]) {
    fresh.push(...(await stage.findings(scan)).filter(isNew));
  }
  say(`   Really new: ${fresh.map(({ name }) => `"${printableLine(name)}"`).join(" and ")}.`);
  const scan = `${FALSE_POSITIVE_IN}-tuesday`;
  const after = (await stage.findings(scan)).find(
    ({ attributes }) => originalOf(attributes)?.["falsePositive"] === true,
  );
  if (after === undefined) return;
  const uploaded = JSON.parse(await readFile(join(SCANS.tuesday, scan, "findings.json"), "utf8")) as BucketFinding[];
  const same = (a: string, b: string) => a.toLowerCase() === b.toLowerCase();
  const before = uploaded.find(({ name }) => same(name, after.name));
  say(`   One finding of ${scan}/findings.json, as the scanner found it and as it is read downstream:`);
  say(`     before  ${JSON.stringify({ name: before?.name ?? after.name })}`);
  const verdicts = { duplicate: after.attributes["duplicate"], "original.falsePositive": true };
  say(`     after   ${JSON.stringify({ name: after.name, ...verdicts })}`);
}

function originalOf(attributes: BucketFinding["attributes"]) {
  const original = attributes["defectdojo.org/original-finding"] as BucketFinding | null | undefined;
  return original?.attributes;
}

async function redrive(stage: Stage, say: Say): Promise<Row> {
  say(`\n${styleText("bold", "5. A broken sidecar goes to the dead-letter queue, is corrected and redriven")}`);
  const { service } = stage;
  await stage.arrive(SCANS.broken).then(([row]) => say(`   ${printableLine(row?.outcome ?? "")}`));
  const sidecar = join(SCANS.broken, BROKEN, "scan.json");
  await stage.put(BROKEN, "scan.json", (await readFile(sidecar, "utf8")).replace('"Enormous"', '"Info"'));
  say("   The annotation is corrected, and dojo-relay dlq redrive moves the message back.");
  const end = stage.ended(BROKEN);
  const { sqs } = service.clients;
  await redriveDeadLetters(fifo(sqs, service.dlqUrl), sqsQueue(sqs, service.queueUrl), { selects: () => true });
  const row = await end;
  say(table([forPeople(row)]));
  return row;
}
