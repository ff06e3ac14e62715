/**
 * CRC-32C and CRC-64/NVME (node:zlib has CRC-32 only), and the combination of two CRCs, which computes
 * the FULL_OBJECT checksum of a multipart object without reading its parts again.
 * Parameters: https://reveng.sourceforge.io/crc-catalogue/all.htm (CRC-32/ISCSI, CRC-64/NVME); all are reflected, with
 * an initial value and a final XOR of all ones.
 */
const CRC32C_POLYNOMIAL = 0x82f63b78;
const CRC64NVME_POLYNOMIAL = 0x9a6c9329ac4bc9b5n;

export const CRC_POLYNOMIALS = {
  CRC32: { width: 32, polynomial: 0xedb88320n },
  CRC32C: { width: 32, polynomial: BigInt(CRC32C_POLYNOMIAL) },
  CRC64NVME: { width: 64, polynomial: CRC64NVME_POLYNOMIAL },
} as const;

const crc32cTable = new Uint32Array(256).map((_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ CRC32C_POLYNOMIAL : value >>> 1;
  return value;
});

/** Continues a CRC-32C with more bytes; start with 0. */
export function crc32c(bytes: Uint8Array, previous: number): number {
  let value = ~previous;
  for (const byte of bytes) value = (value >>> 8) ^ (crc32cTable[(value ^ byte) & 0xff] ?? 0);
  return ~value >>> 0;
}

const crc64Low = new Uint32Array(256);
const crc64High = new Uint32Array(256);
for (let byte = 0; byte < 256; byte++) {
  let value = BigInt(byte);
  for (let bit = 0; bit < 8; bit++) value = value & 1n ? (value >> 1n) ^ CRC64NVME_POLYNOMIAL : value >> 1n;
  crc64Low[byte] = Number(value & 0xffffffffn);
  crc64High[byte] = Number(value >> 32n);
}

/** Continues a CRC-64/NVME with more bytes; start with 0n. It uses 32-bit halves: BigInt would be far slower. */
export function crc64nvme(bytes: Uint8Array, previous: bigint): bigint {
  let low = ~Number(previous & 0xffffffffn);
  let high = ~Number(previous >> 32n);
  for (const byte of bytes) {
    const index = (low ^ byte) & 0xff;
    low = ((low >>> 8) | (high << 24)) ^ (crc64Low[index] ?? 0);
    high = (high >>> 8) ^ (crc64High[index] ?? 0);
  }
  return (BigInt(~high >>> 0) << 32n) | BigInt(~low >>> 0);
}

/** The CRC of A followed by B, given crc(A), crc(B) and the length of B: crc(A) * x^(8 * length) + crc(B). */
export function combineCrc(
  kind: keyof typeof CRC_POLYNOMIALS,
  first: bigint,
  second: bigint,
  secondLength: number,
): bigint {
  const { width, polynomial } = CRC_POLYNOMIALS[kind];
  const one = 1n << BigInt(width - 1);
  let power = one >> 8n;
  let shift = one;
  for (let length = secondLength; length > 0; length = Math.floor(length / 2)) {
    if (length % 2 === 1) shift = multiply(shift, power, one, polynomial);
    power = multiply(power, power, one, polynomial);
  }
  return multiply(shift, first, one, polynomial) ^ second;
}

/** The product of two reflected polynomials, modulo the CRC polynomial. The highest bit is the coefficient of x^0. */
function multiply(left: bigint, right: bigint, one: bigint, polynomial: bigint): bigint {
  let product = 0n;
  let factor = right;
  for (let mask = one; mask > 0n; mask >>= 1n) {
    if (left & mask) product ^= factor;
    factor = factor & 1n ? (factor >> 1n) ^ polynomial : factor >> 1n;
  }
  return product;
}
