import { setFlagsFromString } from "node:v8";

/**
 * Imported first by everything that reads findings: makes V8 collect garbage while the heap is small instead of letting it grow. Pages of findings are read, mapped
 * and dropped, and by default V8 keeps several times what is in use: half of the peak (docs/performance.md). Set from inside, because the command line is
 * not ours everywhere: Lambda starts Node itself.
 */
setFlagsFromString("--optimize-for-size");
