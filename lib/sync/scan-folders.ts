import { folderOf, nameOf } from "../model/object-keys.ts";
import type { ListedObject } from "../ports/storage.ts";

/** What a listing shows of one folder, of the names that were asked for. */
export interface ScanFolder {
  /** With its trailing slash, or "" for the top of the bucket. */
  readonly folder: string;
  readonly objects: ReadonlyMap<string, ListedObject>;
}

/**
 * The folders of a listing in key order that hold any of `names`. Only those that the listing is inside of are held in memory: a folder's objects may
 * have those of its subfolders between them.
 */
export async function* scanFolders(
  listing: AsyncIterable<ListedObject>,
  names: ReadonlySet<string>,
): AsyncGenerator<ScanFolder> {
  const open: { folder: string; objects: Map<string, ListedObject> }[] = [];
  for await (const object of listing) {
    for (let last = open.at(-1); last !== undefined && !object.key.startsWith(last.folder); last = open.at(-1)) {
      yield last;
      open.pop();
    }
    if (!names.has(nameOf(object.key))) continue;
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
