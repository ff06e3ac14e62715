/**
 * A time in microseconds, the resolution of DefectDojo's clock: two of its changes may fall into one millisecond.
 * @param iso ISO 8601
 * @returns microseconds since the epoch
 */
export function microseconds(iso: string): number {
  const beyond = /\.\d{3}(\d{1,3})/.exec(iso)?.[1] ?? "";
  return Date.parse(iso) * 1000 + Number(beyond.padEnd(3, "0"));
}
