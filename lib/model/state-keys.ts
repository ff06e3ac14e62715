import { sha256 } from "../util/digest.ts";
import type { ObjectRef } from "./object-keys.ts";

/** Folder in the bucket for what the relay keeps apart from scans. */
const STATE_FOLDER = ".dojo-relay/";

/** Below it, one watermark for each DefectDojo. */
export const FOLLOW_FOLDER = `${STATE_FOLDER}follow/`;

/**
 * Key of the index entry of a test. Sharded by a hash, so that no folder grows without bounds and none is ever listed; the test's URL is
 * part of the hash, so that several DefectDojos on one bucket do not meet.
 * @param testUrl the test's URL for people
 */
export function testIndexKey(testUrl: string): string {
  const hash = sha256(testUrl);
  return `${STATE_FOLDER}tests/${hash.slice(0, 2)}/${hash.slice(2, 34)}.json`;
}

/** Key of what was told of a scan. @param findings where they lie */
export function noticeKey({ bucket, key }: ObjectRef): string {
  const hash = sha256(JSON.stringify([bucket, key]));
  return `${STATE_FOLDER}notify/${hash.slice(0, 2)}/${hash.slice(2, 34)}.json`;
}

/** Below it lies what is still to be told of, one object a scan. */
export const OPEN_NOTICES = `${STATE_FOLDER}notify/open/`;

export const openNoticeKey = ({ bucket, key }: ObjectRef): string =>
  `${OPEN_NOTICES}${sha256(JSON.stringify([bucket, key])).slice(0, 32)}.json`;

/**
 * Key of the lease on a living test.
 * @param place what tells the test, also before there is one
 */
export function leaseKey(place: string): string {
  const hash = sha256(place);
  return `${STATE_FOLDER}living/${hash.slice(0, 2)}/${hash.slice(2, 34)}.json`;
}

/**
 * Key of the follower's watermark, one for each DefectDojo.
 * @param dojoUrl base URL, without `/api/v2`
 */
export function followStateKey(dojoUrl: string): string {
  return `${FOLLOW_FOLDER}${sha256(dojoUrl.replace(/\/+$/, "").toLowerCase()).slice(0, 32)}.json`;
}
