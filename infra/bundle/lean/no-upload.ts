/** Stands in for `@aws-sdk/lib-storage` in the bundle of ingest, which writes no objects. */
export function Upload(): never {
  throw new Error("this function writes no objects");
}
