import type { KeepCode } from '../../file_system.ts'

/** Bytes by which a format is known. */
export interface Signature {
  readonly kind: string
  /** How a report calls it. */
  readonly name: string
  /** Where the bytes stand; in any of these places. */
  readonly at: readonly number[]
  /** ASCII text, or bytes. */
  readonly bytes: string | readonly number[]
  /** Bytes that must stand there as well, for signatures that are short. */
  readonly also?: { readonly at: number; readonly bytes: readonly number[] }
  /** Why it is kept; because the format is none of those whose free space is known. */
  readonly code?: KeepCode
}

const KIB = 1024

/** Formats that are told by name, and left alone. */
export const SIGNATURES: readonly Signature[] = [
  { kind: 'refs', name: 'ReFS', at: [3], bytes: [...text('ReFS'), 0, 0, 0, 0] },
  { kind: 'apfs', name: 'APFS', at: [32], bytes: 'NXSB' },
  { kind: 'hfsplus', name: 'HFS+', at: [KIB], bytes: [...text('H+'), 0, 4] },
  { kind: 'hfsplus', name: 'HFSX', at: [KIB], bytes: [...text('HX'), 0, 5] },
  // Blocks of an HFS are a multiple of 512 bytes, and begin with a zero byte in any disk it can be on.
  { kind: 'hfs', name: 'HFS', at: [KIB], bytes: 'BD', also: { at: KIB + 20, bytes: [0] } },
  { kind: 'jfs', name: 'JFS', at: [32 * KIB], bytes: 'JFS1' },
  { kind: 'reiserfs', name: 'ReiserFS', at: [8 * KIB + 52, 64 * KIB + 52], bytes: 'ReIsErFs' },
  { kind: 'reiserfs', name: 'ReiserFS', at: [64 * KIB + 52], bytes: 'ReIsEr2Fs' },
  { kind: 'reiserfs', name: 'ReiserFS', at: [64 * KIB + 52], bytes: 'ReIsEr3Fs' },
  { kind: 'reiser4', name: 'Reiser4', at: [64 * KIB], bytes: 'ReIsEr4' },
  { kind: 'f2fs', name: 'F2FS', at: [KIB], bytes: [0x10, 0x20, 0xf5, 0xf2] },
  {
    kind: 'nilfs2',
    name: 'NILFS2',
    at: [KIB + 6],
    bytes: [0x34, 0x34],
    also: { at: KIB, bytes: [2, 0, 0, 0, 0, 0] },
  },
  {
    kind: 'ufs',
    name: 'UFS',
    at: [8 * KIB + 1372, 64 * KIB + 1372, 256 * KIB + 1372],
    bytes: [0x54, 0x19, 0x01, 0x00],
  },
  { kind: 'ufs', name: 'UFS2', at: [8 * KIB + 1372, 64 * KIB + 1372], bytes: [0x19, 0x01, 0x54, 0x19] },
  { kind: 'bsd', name: 'a BSD label', at: [512], bytes: [0x57, 0x45, 0x56, 0x82] },
  { kind: 'vmfs', name: 'VMFS', at: [1024 * KIB], bytes: [0x0d, 0xd0, 0x01, 0xc0] },
  { kind: 'gfs2', name: 'GFS2', at: [64 * KIB], bytes: [0x01, 0x16, 0x19, 0x70] },
  { kind: 'ocfs2', name: 'OCFS2', at: [KIB, 2 * KIB, 4 * KIB, 8 * KIB], bytes: 'OCFSV2' },
  { kind: 'squashfs', name: 'SquashFS', at: [0], bytes: 'hsqs' },
  { kind: 'erofs', name: 'EROFS', at: [KIB], bytes: [0xe2, 0xe1, 0xf5, 0xe0] },
  { kind: 'cramfs', name: 'cramfs', at: [0], bytes: [0x45, 0x3d, 0xcd, 0x28] },
  { kind: 'iso9660', name: 'ISO 9660', at: [32 * KIB + 1], bytes: 'CD001' },
  { kind: 'udf', name: 'UDF', at: [32 * KIB + 1], bytes: 'BEA01' },
  {
    kind: 'bcache',
    name: 'bcache',
    at: [4 * KIB + 24],
    bytes: [0xc6, 0x85, 0x73, 0xf6, 0x4e, 0x1a, 0x45, 0xca, 0x82, 0x65, 0xf5, 0x7f, 0x48, 0xba, 0x6d, 0x81],
    code: 'multiple_devices',
  },
  {
    kind: 'bcachefs',
    name: 'bcachefs',
    at: [4 * KIB + 24],
    bytes: [0xc6, 0x85, 0x73, 0xf6, 0x66, 0xce, 0x90, 0xa9, 0xd9, 0x6a, 0x60, 0xcf, 0x80, 0x3d, 0xf7, 0xef],
  },
  { kind: 'dm_verity', name: 'dm-verity', at: [0], bytes: [...text('verity'), 0, 0] },
  { kind: 'dm_integrity', name: 'dm-integrity', at: [0], bytes: [...text('integrt'), 0] },
  { kind: 'vdo', name: 'VDO', at: [0], bytes: 'dmvdo001' },
  {
    kind: 'stratis',
    name: 'Stratis',
    at: [512 + 4, 9 * 512 + 4],
    bytes: [...text('!Stra0tis'), 0x86, 0xff, 0x02, ...text('^Arh')],
    code: 'multiple_devices',
  },
  { kind: 'lvm1', name: 'LVM1', at: [0], bytes: [...text('HM'), 1, 0] },
]

function text(ascii: string): number[] {
  return Array.from(ascii, letter => letter.charCodeAt(0))
}
