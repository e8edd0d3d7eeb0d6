// LUKS1 and LUKS2 (their on-disk format documents of the cryptsetup project), and BitLocker in its two shapes.
import { type BlockDevice, readBytes } from '../device.ts'
import { type Format, keptFileSystem } from '../file_system.ts'
import { hasText, viewOf } from '../numbers.ts'

/** Where LUKS2 may keep its second header, by the size of the first. */
const SECOND_HEADERS: readonly number[] = [
  0x4000, 0x8000, 0x10000, 0x20000, 0x40000, 0x80000, 0x100000, 0x200000, 0x400000,
]

/** 4967D63B-2E29-4AD8-8399-F6A339E3D001: BitLocker To Go, in what looks like a FAT. */
const TO_GO: readonly number[] = [
  0x3b, 0xd6, 0x67, 0x49, 0x29, 0x2e, 0xd8, 0x4a, 0x83, 0x99, 0xf6, 0xa3, 0x39, 0xe3, 0xd0, 0x01,
]

/** Encrypted by LUKS: free space cannot be told from what is used. */
export const luks: Format = {
  kind: 'luks',
  probe: async device => {
    const start = await headOf(device, 8)
    if (isMagic(start, 'LUKS')) return encrypted(device, 'luks', `LUKS${viewOf(start).getUint16(6)}`)
    for (const position of SECOND_HEADERS) {
      if (position + 8 > device.size) break
      const second = await readBytes(device, position, 8)
      if (isMagic(second, 'SKUL'))
        return encrypted(device, 'luks', 'LUKS2, of which the first header is damaged')
    }
    return undefined
  },
}

/** Encrypted by BitLocker, also where protection is suspended or only used space is encrypted. */
export const bitlocker: Format = {
  kind: 'bitlocker',
  probe: async device => {
    const start = await headOf(device, 512)
    if (hasText(start, 3, '-FVE-FS-')) return encrypted(device, 'bitlocker', 'BitLocker')
    const isToGo = TO_GO.every((byte, index) => start[424 + index] === byte)
    return isToGo ? encrypted(device, 'bitlocker', 'BitLocker To Go') : undefined
  },
}

function isMagic(bytes: Uint8Array, text: string): boolean {
  return hasText(bytes, 0, text) && bytes[4] === 0xba && bytes[5] === 0xbe
}

function encrypted(device: BlockDevice, kind: string, name: string): ReturnType<typeof keptFileSystem> {
  return keptFileSystem(
    { kind, size: device.size },
    { code: 'encrypted', found: `it is encrypted with ${name}` },
  )
}

async function headOf(device: BlockDevice, length: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(length)
  await device.read(bytes.subarray(0, Math.min(length, device.size)), 0)
  return bytes
}
