/**
 * Where things lie in a scan's folder. Keys are data: they are joined and split here, never resolved as paths.
 */

/** Names of the objects that the relay itself writes, beside the findings. */
export const RECEIPT_NAME = "defectdojo.json";
export const CHECKPOINT_NAME = "defectdojo.pending.json";

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

/** The findings as uploaded: `findings.json` is kept as `findings.original.json`. */
export function originalOf(findings: ObjectRef): ObjectRef {
  const name = nameOf(findings.key);
  const dot = name.lastIndexOf(".");
  const original = dot > 0 ? `${name.slice(0, dot)}.original${name.slice(dot)}` : `${name}.original`;
  return sibling(findings, original);
}

export function receiptOf(findings: ObjectRef): ObjectRef {
  return sibling(findings, RECEIPT_NAME);
}

export function checkpointOf(findings: ObjectRef): ObjectRef {
  return sibling(findings, CHECKPOINT_NAME);
}
