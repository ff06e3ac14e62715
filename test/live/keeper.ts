/**
 * Cleans up after a test run, however it ends: it reads processes (`+PID`, `-PID`) and folders (`+/PATH`, `-/PATH`) from stdin, and
 * when stdin closes, for example because the run was killed, it kills and removes those that remain.
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
