/** Stands in for `stream-chain/web` and its part in the bundles: the functions use Node's streams. */
export const asWebStream = undefined;
export default asWebStream;
