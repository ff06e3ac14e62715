import { createReadStream } from "node:fs";
import { readdir, stat } from "node:fs/promises";
import { basename, join } from "node:path";
import type { S3Client } from "@aws-sdk/client-s3";
import { s3Storage } from "../lib/aws/s3-storage.ts";
import { RelayError } from "../lib/errors.ts";
import { isFindingsName } from "../lib/model/object-keys.ts";

export interface UploadSettings {
  readonly bucket: string;
  /** Folder in the bucket for the scans, with its trailing slash, or "". */
  readonly prefix: string;
  readonly findingsName: string;
}

export interface UploadedScan {
  readonly scan: string;
  readonly findingsKey: string;
}

const TYPES: Readonly<Record<string, string>> = {
  json: "application/json",
  xml: "application/xml",
  yaml: "application/yaml",
  yml: "application/yaml",
};

/** By file extension. */
export const contentTypeOf = (name: string) =>
  TYPES[name.slice(name.lastIndexOf(".") + 1).toLowerCase()] ?? "application/octet-stream";

/**
 * Uploads a scan's folder, the findings last: their upload is the event, and everything else must exist by then.
 * @throws RelayError `findings-missing` for a folder without findings
 */
export async function uploadScan(
  s3: S3Client,
  directory: string,
  { bucket, prefix, findingsName }: UploadSettings,
): Promise<UploadedScan> {
  const names = (await readdir(directory, { withFileTypes: true }))
    .filter((entry) => entry.isFile())
    .map((entry) => entry.name);
  const findings = names.find((name) => isFindingsName(findingsName, name));
  if (findings === undefined) {
    throw new RelayError("findings-missing", `${directory} holds no ${findingsName}`, { object: directory });
  }
  const scan = basename(directory);
  const storage = s3Storage(s3);
  const ordered = [...names.filter((name) => name !== findings).sort(), findings];
  for (const name of ordered) {
    const path = join(directory, name);
    const { size } = await stat(path);
    const body = size === 0 ? new Uint8Array() : createReadStream(path);
    await storage.write({ bucket, key: `${prefix}${scan}/${name}` }, body, { contentType: contentTypeOf(name) });
  }
  return { scan, findingsKey: `${prefix}${scan}/${findings}` };
}

/** Scan folders below the given ones: those that hold findings themselves, else their subfolders that do. */
export async function findScanFolders(directories: readonly string[], findingsName: string): Promise<string[]> {
  const found: string[] = [];
  for (const directory of directories) {
    const entries = await readdir(directory, { withFileTypes: true });
    if (entries.some((entry) => entry.isFile() && isFindingsName(findingsName, entry.name))) {
      found.push(directory);
      continue;
    }
    const subfolders = entries.filter((entry) => entry.isDirectory()).map((entry) => join(directory, entry.name));
    for (const subfolder of subfolders.sort()) {
      if ((await readdir(subfolder)).some((name) => isFindingsName(findingsName, name))) found.push(subfolder);
    }
  }
  if (found.length === 0) {
    throw new RelayError("findings-missing", `no ${findingsName} in ${directories.join(", ")} or its subfolders`, {
      object: directories.join(", "),
    });
  }
  return found;
}
