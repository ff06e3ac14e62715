import { writeFile } from "node:fs/promises";
import { RECORDING, recordDemo } from "./demo.ts";

await writeFile(RECORDING, await recordDemo());
process.stdout.write(`${RECORDING} shows the demo as it is now\n`);
