// Members of RAIDs that a mainboard or controller assembles, and of DRBD: all are told by the end of the device.
import { type BlockDevice, readBytes } from '../device.ts'
import { type Format, keptFileSystem } from '../file_system.ts'
import { hasText, viewOf } from '../numbers.ts'

/** The magic numbers of DRBD 8.0 to 8.4. */
const DRBD: ReadonlySet<number | undefined> = new Set([0x8374026b, 0x8374026c, 0x8374026d])

/** How far from the end the metadata of each begins, and what they begin with. */
const KINDS: readonly (readonly [kind: string, name: string, matches: (end: Uint8Array) => boolean])[] = [
  [
    'isw_raid_member',
    'an Intel RAID (isw)',
    end => hasText(end, end.length - 1024, 'Intel Raid ISM Cfg Sig. '),
  ],
  ['ddf_raid_member', 'a RAID of the DDF format', end => bigEndian(end, end.length - 512) === 0xde11de11],
  ['drbd', 'a DRBD resource', end => DRBD.has(bigEndian(end, end.length - (end.length % 4096) - 4036))],
]

const END = 16 * 1024

/** Members of RAIDs whose metadata lie at the end. */
export const firmwareRaid: Format = {
  kind: 'firmware_raid_member',
  probe: async device => {
    const end = await endOf(device)
    const [kind, name] = KINDS.find(([, , matches]) => matches(end)) ?? []
    if (kind === undefined) return undefined
    return keptFileSystem(
      { kind, size: device.size },
      { code: 'raid_member', found: `it is a member of ${name}` },
    )
  },
}

/** Begins at a multiple of 4096 bytes of the device, if the device is long enough. */
async function endOf(device: BlockDevice): Promise<Uint8Array> {
  const start = Math.max(0, device.size - (device.size % 4096) - END)
  return await readBytes(device, start, device.size - start)
}

function bigEndian(bytes: Uint8Array, at: number): number | undefined {
  return at >= 0 && at + 4 <= bytes.length ? viewOf(bytes).getUint32(at) : undefined
}
