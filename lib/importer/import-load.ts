/** How many imports this process runs: their findings queue up for DefectDojo's Celery worker. */
export interface ImportLoad {
  /** @returns a function to call when that import is over */
  enter(): () => void;
  /** Imports in flight, without the caller's own. */
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
