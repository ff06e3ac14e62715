/** Replaces `@aws-sdk/lib-storage` in the bundle of ingest, which writes no large objects. */
export function Upload(): never {
  throw new Error("this function writes no objects");
}
