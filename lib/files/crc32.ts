/** Checksums of 32 bits: that of zip archives (CRC-32), and Castagnoli's (CRC-32C), that of TFRecords; Node 20 has neither. */

/** For each byte, of a polynomial whose bits are in reverse. */
const tableOf = (polynomial: number): Uint32Array =>
  Uint32Array.from({ length: 256 }, (_, byte) => {
    let value = byte
    for (let bit = 0; bit < 8; bit++) value = (value >>> 1) ^ (value & 1 ? polynomial : 0)
    return value
  })

const checksum = (table: Uint32Array, bytes: Uint8Array): number => {
  let crc = -1
  for (let index = 0; index < bytes.length; index++) {
    crc = (table[(crc ^ (bytes[index] ?? 0)) & 0xff] ?? 0) ^ (crc >>> 8)
  }
  return ~crc >>> 0
}

const ZIP = tableOf(0xedb8_8320)
const CASTAGNOLI = tableOf(0x82f6_3b78)

export const crc32 = (bytes: Uint8Array): number => checksum(ZIP, bytes)

export const crc32c = (bytes: Uint8Array): number => checksum(CASTAGNOLI, bytes)
