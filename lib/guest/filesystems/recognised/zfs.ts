import { type BlockDevice, readBytes } from '../../device.ts'
import { viewOf } from '../../numbers.ts'

const KIB = 1024
const LABEL = 256 * KIB
const UBERBLOCKS = 128 * KIB
const MAGIC = 0x00bab10cn

/** Whether a device carries a label of a ZFS pool: two lie at its start, two at its end, each with uberblocks. */
export async function hasZfsLabel(device: BlockDevice): Promise<boolean> {
  const end = device.size - (device.size % LABEL)
  for (const label of [0, LABEL, end - 2 * LABEL, end - LABEL]) {
    if (label < 0 || label + LABEL > device.size) continue
    const view = viewOf(await readBytes(device, label + UBERBLOCKS, UBERBLOCKS))
    for (let at = 0; at < UBERBLOCKS; at += KIB) {
      if (view.getBigUint64(at, true) === MAGIC || view.getBigUint64(at, false) === MAGIC) return true
    }
  }
  return false
}
