/**
 * A time to the microsecond, as DefectDojo's clock has it: two of its changes may lie in one millisecond.
 * @param iso ISO 8601
 * @returns microseconds since the epoch
 */
export function microseconds(iso: string): number {
  const beyond = /\.\d{3}(\d{1,3})/.exec(iso)?.[1] ?? "";
  return Date.parse(iso) * 1000 + Number(beyond.padEnd(3, "0"));
}
