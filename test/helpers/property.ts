import fc from "fast-check";

const { FC_SEED, FC_PATH, FC_RUNS } = process.env;

/** Any number; the inputs that follow from it are the same on every machine, so a failure belongs to the commit. */
const SEED = 20_261_128;

/** Where the inputs of all properties come from: `FC_RUNS` explores from a random seed, `FC_SEED` and `FC_PATH` replay what a failure printed. */
fc.configureGlobal({
  ...(FC_SEED === undefined && FC_RUNS !== undefined ? {} : { seed: Number(FC_SEED ?? SEED) }),
  ...(FC_PATH === undefined ? {} : { path: FC_PATH }),
});

/** How many inputs to try: `FC_RUNS`, or the number that a test run has time for. */
export const runsOr = (ordinary: number): number => Number(FC_RUNS ?? ordinary);

export { fc };
