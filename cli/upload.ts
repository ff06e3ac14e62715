import { Command } from "commander";
import { s3Client } from "../lib/aws/clients.ts";
import { readStoreConfig } from "../lib/config.ts";
import { withOwnServers } from "./operator.ts";
import { print } from "./options.ts";
import { findScanFolders, uploadScan } from "./scan-folder.ts";
import { progressBar } from "./terminal/progress.ts";

/** `dojo-relay upload DIR…`: scan folders into the bucket, in a safe order. */
export function uploadCommand(): Command {
  return new Command("upload")
    .description("upload scan folders (sidecar, raw result, findings), the findings last")
    .argument("<dir...>", "folders of scans, or folders that hold such folders")
    .option("--prefix <prefix>", "target folder in the bucket", "")
    .option("--json", "print an array of {scan, findingsKey} instead of lines")
    .addHelpText("after", UPLOAD_HELP)
    .action(async (directories: string[], options: { prefix: string; json?: boolean }) => {
      const config = readStoreConfig(withOwnServers(process.env));
      const folders = await findScanFolders(directories, config.FINDINGS_NAME);
      const s3 = s3Client(config, process.env);
      const prefix = options.prefix === "" || options.prefix.endsWith("/") ? options.prefix : `${options.prefix}/`;
      const bar = progressBar("uploaded", folders.length);
      const uploaded = [];
      for (const folder of folders) {
        uploaded.push(
          await uploadScan(s3, folder, { bucket: config.BUCKET, prefix, findingsName: config.FINDINGS_NAME }),
        );
        bar.advance(folder);
      }
      bar.stop();
      const lines = uploaded.map(({ findingsKey }) => `s3://${config.BUCKET}/${findingsKey}`).join("\n");
      print(uploaded, options.json, () => lines);
    });
}

const UPLOAD_HELP = `
Examples:
  $ AWS_ENDPOINT_URL_S3=http://127.0.0.1:9000 BUCKET=securecodebox dojo-relay upload scans/nmap-1
  $ dojo-relay upload scans --prefix nightly/ --json`;
