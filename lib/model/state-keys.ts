import { sha256 } from "../util/digest.ts";
import type { ObjectRef } from "./object-keys.ts";

/** Folder in the bucket for the relay's state beside the scans. */
const STATE_FOLDER = ".dojo-relay/";

/** Below it, one watermark for each DefectDojo. */
export const FOLLOW_FOLDER = `${STATE_FOLDER}follow/`;

/**
 * Key of the index entry of a test. Sharded by a hash: no folder grows without bounds, and none is ever listed; the test's URL is
 * part of the hash, which separates several DefectDojos on one bucket.
 * @param testUrl the test's URL for people
 */
export function testIndexKey(testUrl: string): string {
  const hash = sha256(testUrl);
  return `${STATE_FOLDER}tests/${hash.slice(0, 2)}/${hash.slice(2, 34)}.json`;
}

/** Key of the record of what was sent for a scan. @param findings their location */
export function noticeKey({ bucket, key }: ObjectRef): string {
  const hash = sha256(JSON.stringify([bucket, key]));
  return `${STATE_FOLDER}notify/${hash.slice(0, 2)}/${hash.slice(2, 34)}.json`;
}

/** Folder of outstanding messages, one object per scan. */
export const OPEN_NOTICES = `${STATE_FOLDER}notify/open/`;

export const openNoticeKey = ({ bucket, key }: ObjectRef): string =>
  `${OPEN_NOTICES}${sha256(JSON.stringify([bucket, key])).slice(0, 32)}.json`;

/**
 * Key of the lease on a living test.
 * @param place what identifies the test, even before it exists
 */
export function leaseKey(place: string): string {
  const hash = sha256(place);
  return `${STATE_FOLDER}living/${hash.slice(0, 2)}/${hash.slice(2, 34)}.json`;
}

/**
 * Key of the follower's watermark, one per DefectDojo.
 * @param dojoUrl base URL, without `/api/v2`
 */
export function followStateKey(dojoUrl: string): string {
  return `${FOLLOW_FOLDER}${sha256(dojoUrl.replace(/\/+$/, "").toLowerCase()).slice(0, 32)}.json`;
}
