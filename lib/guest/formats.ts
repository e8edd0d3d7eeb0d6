import { bitlocker, luks } from './containers/encrypted.ts'
import { firmwareRaid } from './containers/firmware_raid.ts'
import { md } from './containers/md.ts'
import type { Format } from './file_system.ts'
import { btrfs } from './filesystems/btrfs/btrfs.ts'
import { exfat } from './filesystems/exfat/exfat.ts'
import { ext } from './filesystems/ext/ext.ts'
import { fat } from './filesystems/fat/fat.ts'
import { ntfs } from './filesystems/ntfs/ntfs.ts'
import { recognised } from './filesystems/recognised/recognised.ts'
import { swap } from './filesystems/swap/swap.ts'
import { xfs } from './filesystems/xfs/xfs.ts'
import { lvm2 } from './lvm/lvm2.ts'

/**
 * What holds other volumes, as a part of them or encrypted. The file system that can be seen in one is not what the
 * guest sees, so these come before all file systems; those told by the end of the device come first.
 */
export const CONTAINERS: readonly Format[] = [md, firmwareRaid, luks, bitlocker]

/** What lies on a volume by itself. A volume with the signatures of two is kept. */
export const FILE_SYSTEMS: readonly Format[] = [lvm2, ntfs, exfat, fat, ext, xfs, btrfs, swap, recognised]
