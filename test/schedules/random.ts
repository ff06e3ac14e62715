/** Small numbers that look random, the same for the same seed (mulberry32). */
export interface Random {
  /** 0 (included) to 1 (excluded) */
  next(): number;
  /** An integer from `least` to `most`, both included. */
  between(least: number, most: number): number;
}

export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
  return { next, between: (least, most) => least + Math.floor(next() * (most - least + 1)) };
}
