import { checkpointOf, folderOf, isFindingsName, nameOf, originalOf, receiptOf } from "../model/object-keys.ts";
import type { ListedObject } from "../ports/storage.ts";

/** The wanted names in one folder of a listing. */
export interface ScanFolder {
  /** With its trailing slash, or "" for the top of the bucket. */
  readonly folder: string;
  readonly objects: ReadonlyMap<string, ListedObject>;
}

/**
 * The folders of a listing in key order that hold any wanted name. Only folders around the listing's position are held in memory: a folder's objects may
 * have those of its subfolders between them.
 */
export async function* scanFolders(
  listing: AsyncIterable<ListedObject>,
  isWanted: (name: string) => boolean,
): AsyncGenerator<ScanFolder> {
  const open: { folder: string; objects: Map<string, ListedObject> }[] = [];
  for await (const object of listing) {
    for (let last = open.at(-1); last !== undefined && !object.key.startsWith(last.folder); last = open.at(-1)) {
      yield last;
      open.pop();
    }
    if (!isWanted(nameOf(object.key))) continue;
    const folder = folderOf(object.key);
    let current = open.at(-1);
    if (current?.folder !== folder) {
      current = { folder, objects: new Map() };
      open.push(current);
    }
    current.objects.set(nameOf(object.key), object);
  }
  yield* open.toReversed();
}

/** The findings of one scan in a listing, and the relay's objects beside them. */
export interface ListedScan {
  readonly findings: ListedObject;
  readonly original: ListedObject | undefined;
  readonly receipt: ListedObject | undefined;
  readonly checkpoint: ListedObject | undefined;
}

/** The scans of a listing. A folder with many of them (flat keys) is held as a whole while the listing is inside it. */
export async function* listedScans(
  listing: AsyncIterable<ListedObject>,
  findingsName: string,
): AsyncGenerator<ListedScan> {
  const isWanted = (name: string) => isFindingsName(findingsName, name) || /findings|defectdojo|\.original/.test(name);
  for await (const { objects } of scanFolders(listing, isWanted)) {
    for (const [name, findings] of objects) {
      if (!isFindingsName(findingsName, name)) continue;
      const beside = (of: typeof receiptOf) => objects.get(nameOf(of(findings).key));
      yield { findings, original: beside(originalOf), receipt: beside(receiptOf), checkpoint: beside(checkpointOf) };
    }
  }
}
