/** Replaces `stream-chain/web` in the bundles: the functions use Node's streams. */
export const asWebStream = undefined;
