import { type BlockDevice, readBytes } from '../../device.ts'
import { type Format, keptFileSystem } from '../../file_system.ts'
import { SIGNATURES, type Signature } from './signatures.ts'
import { hasZfsLabel } from './zfs.ts'

/** All formats that are known by a signature alone: told by name, and left alone. */
export const recognised: Format = {
  kind: 'recognised',
  probe: async device => {
    for (const signature of SIGNATURES) {
      if (!(await matches(device, signature))) continue
      const { kind, name, code = 'unsupported_feature' } = signature
      return keptFileSystem(
        { kind, size: device.size },
        { code, found: `it holds ${name}, of which nothing is read here` },
      )
    }
    if (!(await hasZfsLabel(device))) return undefined
    const found = 'it belongs to a ZFS pool, of which nothing is read here'
    return keptFileSystem({ kind: 'zfs_member', size: device.size }, { code: 'multiple_devices', found })
  },
}

async function matches(device: BlockDevice, { at, bytes, also }: Signature): Promise<boolean> {
  const wanted = typeof bytes === 'string' ? Array.from(bytes, letter => letter.charCodeAt(0)) : bytes
  if (also && !(await standsAt(device, also.at, also.bytes))) return false
  for (const position of at) if (await standsAt(device, position, wanted)) return true
  return false
}

async function standsAt(device: BlockDevice, position: number, bytes: readonly number[]): Promise<boolean> {
  if (position + bytes.length > device.size) return false
  const there = await readBytes(device, position, bytes.length)
  return bytes.every((byte, index) => there[index] === byte)
}
