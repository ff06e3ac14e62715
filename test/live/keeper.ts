/**
 * Ends what a test run leaves behind, however the run ends: it is told of processes (`+PID`, `-PID`) and folders (`+/PATH`, `-/PATH`) on its stdin, and
 * when that closes, as it does when the run is killed, it kills and removes those that are still there.
 */
import { rmSync } from "node:fs";
import { createInterface } from "node:readline";

const kept = new Set<string>();

for await (const line of createInterface({ input: process.stdin })) {
  if (line.startsWith("+")) kept.add(line.slice(1));
  else kept.delete(line.slice(1));
}

for (const pid of kept) {
  if (pid.startsWith("/")) continue;
  try {
    process.kill(Number(pid), "SIGKILL");
  } catch {
    // It has ended by itself.
  }
}
for (const folder of kept) if (folder.startsWith("/")) rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
