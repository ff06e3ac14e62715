import { createHash } from "node:crypto";

/** Numbers for texts, from 0 in order of first occurrence. */
export interface TextIds {
  of(text: string): number;
}

/** How many 32-bit words of a hash are kept: no two texts of any scan share 128 bits. */
const WORDS = 4;
const SMALLEST = 256;

/**
 * Equal texts get equal numbers. Only hashes are held, in typed arrays: some 40 bytes per text, a third of a Map of strings. An open hash
 * table, at most half full.
 */
export function textIds(): TextIds {
  let hashes = new Uint32Array(SMALLEST * WORDS);
  /** An id and 1 more, 0 for none. */
  let slots = new Uint32Array(SMALLEST * 2);
  let count = 0;

  const put = (id: number) => {
    let slot = (hashes[id * WORDS] ?? 0) & (slots.length - 1);
    while (slots[slot] !== 0) slot = (slot + 1) & (slots.length - 1);
    slots[slot] = id + 1;
  };
  const grow = () => {
    const larger = new Uint32Array(hashes.length * 2);
    larger.set(hashes);
    hashes = larger;
    slots = new Uint32Array(slots.length * 2);
    for (let id = 0; id < count; id++) put(id);
  };
  const isHash = (id: number, hash: Uint32Array) => {
    for (let word = 0; word < WORDS; word++) if (hashes[id * WORDS + word] !== hash[word]) return false;
    return true;
  };

  return {
    of: (text) => {
      const hash = hashOf(text);
      let slot = (hash[0] ?? 0) & (slots.length - 1);
      for (let held = slots[slot] ?? 0; held !== 0; held = slots[slot] ?? 0) {
        if (isHash(held - 1, hash)) return held - 1;
        slot = (slot + 1) & (slots.length - 1);
      }
      if (count * WORDS === hashes.length) grow();
      hashes.set(hash, count * WORDS);
      put(count);
      return count++;
    },
  };
}

function hashOf(text: string): Uint32Array {
  const digest = createHash("sha256").update(text).digest();
  return Uint32Array.from({ length: WORDS }, (_, word) => digest.readUInt32LE(word * 4));
}
