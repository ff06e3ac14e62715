import { setFlagsFromString } from "node:v8";

/**
 * Has V8 collect garbage while the heap is small instead of letting it grow. Pages of findings are read, mapped and dropped: what was held at some time is
 * ten times what is held at once, and left to itself V8 keeps half of it. Halves the peak (docs/performance.md). Set from inside, since the command line is
 * not ours everywhere: Lambda starts Node itself.
 */
export function keepHeapSmall(): void {
  setFlagsFromString("--optimize-for-size");
}
