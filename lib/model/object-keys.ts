/**
 * The object keys in a scan's folder. Keys are data: they are joined and split here, never resolved as paths.
 */

/** Names of the objects that the relay itself writes, beside the findings. */
const RECEIPT_NAME = "defectdojo.json";
const CHECKPOINT_NAME = "defectdojo.pending.json";

export interface ObjectRef {
  readonly bucket: string;
  readonly key: string;
}

/** `s3://bucket/key`, for messages and logs. */
export function uri({ bucket, key }: ObjectRef): string {
  return `s3://${bucket}/${key}`;
}

/** The key's folder with its trailing slash, or "" for a key at the top of the bucket. */
export function folderOf(key: string): string {
  return key.slice(0, key.lastIndexOf("/") + 1);
}

/** The key's last part. */
export function nameOf(key: string): string {
  return key.slice(key.lastIndexOf("/") + 1);
}

/** The object `name` in the folder of `ref`. */
export function sibling(ref: ObjectRef, name: string): ObjectRef {
  return { bucket: ref.bucket, key: folderOf(ref.key) + name };
}

/** The word in a findings' name that each companion replaces. */
const WORD = "findings";

/**
 * Whether an object of this name holds findings.
 * @param pattern FINDINGS_NAME: a name, or one with a `*` for any text (`*-findings.json`)
 */
export function isFindingsName(pattern: string, name: string): boolean {
  const [before = "", after] = pattern.split("*");
  if (after === undefined) return name === pattern;
  const fits = name.length >= before.length + after.length && name.startsWith(before) && name.endsWith(after);
  return fits && !/\.original(\.[^.]*)?$/.test(name);
}

/** The end of every findings' name: the suffix filter of a bucket notification. */
export function findingsSuffix(pattern: string): string {
  return pattern.slice(pattern.indexOf("*") + 1);
}

/**
 * An object that belongs to these findings: in their name, `findings` becomes the companion's name up to its first dot, the extension the rest.
 * The sidecar `scan.json` of `x-findings.json` is `x-scan.json`; without that word in the name, the companion keeps its own name.
 */
export function companionOf(findings: ObjectRef, companion: string): ObjectRef {
  const name = nameOf(findings.key);
  const at = name.lastIndexOf(WORD);
  if (at < 0) return sibling(findings, companion);
  const after = name.slice(at + WORD.length);
  const tail = after.includes(".") ? after.slice(0, after.lastIndexOf(".")) : after;
  const dot = companion.indexOf(".") > 0 ? companion.indexOf(".") : companion.length;
  return sibling(findings, name.slice(0, at) + companion.slice(0, dot) + tail + companion.slice(dot));
}

/** Where the raw result may be: with the same prefix that the operator's URL template puts before `findings`, else under its name alone. */
export function rawResultsOf(findings: ObjectRef, rawResultFile: string): ObjectRef[] {
  const name = nameOf(findings.key);
  const before = name.slice(0, Math.max(0, name.lastIndexOf(WORD)));
  const names = before === "" ? [rawResultFile] : [before + rawResultFile, rawResultFile];
  return names.map((one) => sibling(findings, one));
}

/** The findings as uploaded: `findings.json` is kept as `findings.original.json`. */
export function originalOf(findings: ObjectRef): ObjectRef {
  const name = nameOf(findings.key);
  const dot = name.lastIndexOf(".");
  const original = dot > 0 ? `${name.slice(0, dot)}.original${name.slice(dot)}` : `${name}.original`;
  return sibling(findings, original);
}

export function receiptOf(findings: ObjectRef): ObjectRef {
  return companionOf(findings, RECEIPT_NAME);
}

export function checkpointOf(findings: ObjectRef): ObjectRef {
  return companionOf(findings, CHECKPOINT_NAME);
}

/** The findings beside a receipt, or undefined if the object's name is not a receipt's. */
export function findingsOfReceipt(receipt: ObjectRef): ObjectRef | undefined {
  const [base = "", extension = ""] = RECEIPT_NAME.split(".");
  const name = nameOf(receipt.key);
  const at = name.lastIndexOf(base);
  if (at < 0 || !name.endsWith(`.${extension}`) || name.endsWith(`.pending.${extension}`)) return undefined;
  return sibling(receipt, name.slice(0, at) + WORD + name.slice(at + base.length));
}
