/** How many imports this process runs: their findings queue up for DefectDojo's Celery worker. */
export interface ImportLoad {
  /** @returns to be called when that import is over */
  enter(): () => void;
  /** Imports under way, without the one that asks where it has entered. */
  underWay(): number;
}

export function importLoad(): ImportLoad {
  let count = 0;
  return {
    enter: () => {
      count++;
      let left = false;
      return () => {
        if (!left) count--;
        left = true;
      };
    },
    underWay: () => count,
  };
}
