import { setFlagsFromString } from "node:v8";

/**
 * Imported before all else by what reads findings: has V8 collect garbage while the heap is small instead of letting it grow. Pages of findings are read, mapped
 * and dropped, and left to itself V8 keeps several times what is held at once: half of the peak (docs/performance.md). Set from inside, since the command line is
 * not ours everywhere: Lambda starts Node itself.
 */
setFlagsFromString("--optimize-for-size");
