/** Whole numbers from 0 to 2^31 - 1, or -1, in four bytes each. */
export interface IntList {
  readonly length: number;
  push(value: number): void;
  at(index: number): number;
  set(index: number, value: number): void;
}

const SMALLEST = 64;

export function intList(): IntList {
  let values = new Int32Array(SMALLEST);
  let length = 0;
  return {
    get length() {
      return length;
    },
    push: (value) => {
      if (length === values.length) {
        const larger = new Int32Array(length * 2);
        larger.set(values);
        values = larger;
      }
      values[length++] = value;
    },
    at: (index) => values[index] ?? -1,
    set: (index, value) => {
      values[index] = value;
    },
  };
}

/** Lists of such numbers, one after another: appends a list, and reads one by its position. */
export interface IntLists {
  readonly length: number;
  push(list: readonly number[]): void;
  at(index: number): readonly number[];
}

export function intLists(): IntLists {
  const all = intList();
  const ends = intList();
  return {
    get length() {
      return ends.length;
    },
    push: (list) => {
      for (const value of list) all.push(value);
      ends.push(all.length);
    },
    at: (index) => {
      const start = index === 0 ? 0 : ends.at(index - 1);
      return Array.from({ length: ends.at(index) - start }, (_, offset) => all.at(start + offset));
    },
  };
}
