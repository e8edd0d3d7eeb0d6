import { type BlockDevice, readBytes } from '../../device.ts'
import { GuestProblem } from '../../file_system.ts'
import { damaged, type Fields, fieldsOf, hex } from '../windows/fields.ts'
import type { Geometry } from './boot_sector.ts'
import {
  BOOT,
  BOOT_16,
  BOOT_32,
  BOOT_SECTOR_SIZE,
  FIRST_CLUSTER,
  FSINFO_SIGNATURES,
  MIRRORING_OFF,
  NO_FSINFO,
  STATE_DIRTY,
  STATE_SURFACE_TEST,
} from './layout.ts'
import { firstEntries } from './table.ts'

/** Bits of the second entry of a table: set when the volume was dismounted, and while the disk has no errors. */
const CLEAN_BITS = { 16: [0x8000, 0x4000], 32: [0x08000000, 0x04000000] } as const

/**
 * Checks that a volume was dismounted and its tables are what they should be. Windows notes in the table what
 * Linux notes in the boot sector, so both have to say so.
 *
 * @throws A GuestProblem when that is not so.
 */
export async function checkVolumeState(boot: Fields, device: BlockDevice, geometry: Geometry): Promise<void> {
  const state = boot.u8(geometry.bits === 32 ? BOOT_32.State : BOOT_16.State)
  if (state % 2 === STATE_DIRTY) throw unclean('its boot sector says that it is in use (dirty)')
  if ((state & STATE_SURFACE_TEST) !== 0) throw unclean('its boot sector asks for a test of the disk')
  const [media, flags] = await firstEntries(device, geometry)
  const expected = 2 ** Math.min(28, geometry.bits) - 256 + boot.u8(BOOT.Media)
  if (media !== expected) {
    throw damaged(`its file allocation table begins with ${hex(media)} instead of ${hex(expected)}`)
  }
  if (geometry.bits === 12) return
  const [clean, noError] = CLEAN_BITS[geometry.bits]
  if ((flags & clean) === 0) throw unclean('its file allocation table says that it is in use (dirty)')
  if ((flags & noError) === 0) throw unclean('its file allocation table says that the disk had errors')
}

/**
 * Checks what only FAT32 has. The number of free clusters in FSInfo is a hint that drivers let grow old, and is
 * not looked at.
 *
 * @throws A GuestProblem for a version or a use of the tables that is not known, and for what is damaged.
 */
export async function checkFat32(boot: Fields, device: BlockDevice, geometry: Geometry): Promise<void> {
  const version = boot.u16(BOOT_32.FSVer)
  if (version !== 0) throw unsupported(`it is of FAT32 version ${hex(version)}`)
  const flags = boot.u16(BOOT_32.ExtFlags)
  if ((flags & MIRRORING_OFF) !== 0) {
    throw unsupported(`its ExtFlags are ${hex(flags)}: its file allocation tables are not mirrored`)
  }
  const root = boot.u32(BOOT_32.RootClus)
  if (root < FIRST_CLUSTER || root >= FIRST_CLUSTER + geometry.clusters) {
    throw damaged(`its root directory is at cluster ${root}, of ${geometry.clusters}`)
  }
  const sector = boot.u16(BOOT_32.FSInfo)
  if (sector === 0 || sector === NO_FSINFO) return
  if (sector >= geometry.reservedSectors)
    throw damaged(`its FSInfo is at sector ${sector}, not a reserved one`)
  const bytes = await readBytes(device, sector * geometry.sectorSize, BOOT_SECTOR_SIZE)
  const info = fieldsOf(bytes, 'FSInfo')
  const wrong = FSINFO_SIGNATURES.find(([at, value]) => info.u32(at) !== value)
  if (wrong !== undefined) throw damaged(`its FSInfo has ${hex(info.u32(wrong[0]), 8)} at byte ${wrong[0]}`)
}

function unclean(found: string): GuestProblem {
  return new GuestProblem({ code: 'unclean', found })
}

function unsupported(found: string): GuestProblem {
  return new GuestProblem({ code: 'unsupported_feature', found })
}
