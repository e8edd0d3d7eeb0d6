// Makes the checksums of a damaged image right again, so that damage is met by the checks behind them.
import { crc32c } from '../../../../lib/guest/checksums/crc32c.ts'
import type { OverlayDevice } from '../../../fixtures/guest/fuzz.ts'

/**
 * Makes right the checksums of the superblock, of the first descriptors and of their block bitmaps, as metadata_csum
 * has them, in an image with descriptors of 64 bytes.
 */
export async function resealed(overlay: OverlayDevice, blockSize: number, groups: number): Promise<void> {
  const superblock = await overlay.bytes(1024, 1024)
  const sb = new DataView(superblock.buffer)
  sb.setUint32(0x3fc, crc32c(superblock.subarray(0, 0x3fc)), true)
  overlay.write(1024, superblock)
  const seed = crc32c(superblock.subarray(0x68, 0x78))
  const bitmapSize = sb.getUint32(0x20, true) / 8
  for (let group = 0; group < groups; group++) {
    const place = 2 * blockSize + group * 64
    const bytes = await overlay.bytes(place, 64)
    const view = new DataView(bytes.buffer)
    const bitmap = view.getUint32(0, true) * blockSize
    if (bitmapSize > 0 && bitmapSize <= blockSize && bitmap + bitmapSize <= overlay.size) {
      const checksum = crc32c(await overlay.bytes(bitmap, bitmapSize), seed)
      view.setUint16(0x18, checksum % 65536, true)
      view.setUint16(0x38, Math.floor(checksum / 65536), true)
    }
    view.setUint16(0x1e, 0, true)
    const number = new Uint8Array(4)
    new DataView(number.buffer).setUint32(0, group, true)
    view.setUint16(0x1e, crc32c(bytes, crc32c(number, seed)) % 65536, true)
    overlay.write(place, bytes)
  }
}
