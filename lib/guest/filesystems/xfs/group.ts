import { type BlockDevice, readBytes } from '../../device.ts'
import { GuestProblem } from '../../file_system.ts'
import { viewOf } from '../../numbers.ts'
import {
  AG_VERSION,
  AGF,
  AGF_MAGIC,
  AGFL,
  AGFL_MAGIC,
  AGI,
  AGI_MAGIC,
  MAX_LEVELS,
  NULL_BLOCK,
} from './layout.ts'
import { blocksOfGroup, hasRightCrc, type Superblock, uuidAt } from './superblock.ts'

/** What the heads of an allocation group say about its free space, checked. */
export interface Group {
  readonly number: number
  /** Blocks. */
  readonly length: number
  /** Root of the tree of free space by block number. */
  readonly root: number
  readonly levels: number
  readonly freeblks: number
  /** Blocks of the longest free extent. */
  readonly longest: number
  readonly btreeblks: number
  readonly flcount: number
  /**
   * Blocks that are known to be used, by block number: [first, behind the last]. No free extent may touch
   * one of them.
   */
  readonly used: readonly (readonly [number, number])[]
}

/** Superblock, AGF, AGI, AGFL. */
const HEAD_SECTORS = 4

/**
 * Reads and checks the heads of an allocation group.
 *
 * @throws {GuestProblem} When something is wrong with them.
 */
export async function readGroup(device: BlockDevice, superblock: Superblock, number: number): Promise<Group> {
  const { sectorSize, blockSize, agblocks, log } = superblock
  const length = blocksOfGroup(superblock, number)
  const heads = HEAD_SECTORS * sectorSize
  if (length * blockSize < heads) throw damagedGroup(number, `has only ${length} blocks`)
  const bytes = await readBytes(device, number * agblocks * blockSize, heads)
  const sector = (index: number): Uint8Array => bytes.subarray(index * sectorSize, (index + 1) * sectorSize)

  const agf = checkAgf(sector(1), superblock, number)
  const agi = checkAgi(sector(2), superblock, number)
  const reserve = readReserve(sector(3), agf, superblock, number)
  const roots = [
    agf.getUint32(AGF.agf_bno_root),
    agf.getUint32(AGF.agf_cnt_root),
    agi.getUint32(AGI.agi_root),
    ...(superblock.version === 5 ? optionalRoots(agf, agi) : []),
  ]
  const outside = [...roots, ...reserve].find(block => block >= length)
  if (outside !== undefined) throw damagedGroup(number, `names block ${outside} of ${length}`)
  const logRange: readonly [number, number] = [log.block, log.block + log.blocks]
  const levels = agf.getUint32(AGF.agf_bno_level)
  if (levels < 1 || levels > MAX_LEVELS) throw damagedGroup(number, `has a tree of ${levels} levels`)
  return {
    number,
    length,
    root: agf.getUint32(AGF.agf_bno_root),
    levels,
    freeblks: agf.getUint32(AGF.agf_freeblks),
    longest: agf.getUint32(AGF.agf_longest),
    btreeblks: agf.getUint32(AGF.agf_btreeblks),
    flcount: reserve.length,
    used: [
      [0, Math.ceil(heads / blockSize)] as const,
      ...[...roots, ...reserve].map(block => [block, block + 1] as const),
      ...(log.group === number ? [logRange] : []),
    ].sort(([a], [b]) => a - b),
  }
}

/** An error about an allocation group; `found` goes on after its name. */
export function damagedGroup(number: number, found: string): GuestProblem {
  return new GuestProblem({ code: 'damaged', found: `its allocation group ${number} ${found}` })
}

function checkAgf(bytes: Uint8Array, superblock: Superblock, number: number): DataView {
  const view = viewOf(bytes)
  const isRight =
    view.getUint32(AGF.agf_magicnum) === AGF_MAGIC &&
    view.getUint32(AGF.agf_versionnum) === AG_VERSION &&
    view.getUint32(AGF.agf_seqno) === number &&
    view.getUint32(AGF.agf_length) === blocksOfGroup(superblock, number)
  if (!isRight) throw damagedGroup(number, 'has no right AGF')
  checkSeal(bytes, superblock, { uuid: AGF.agf_uuid, crc: AGF.agf_crc }, () =>
    damagedGroup(number, 'has an AGF with a wrong checksum or UUID'),
  )
  return view
}

function checkAgi(bytes: Uint8Array, superblock: Superblock, number: number): DataView {
  const view = viewOf(bytes)
  const isRight =
    view.getUint32(AGI.agi_magicnum) === AGI_MAGIC &&
    view.getUint32(AGI.agi_versionnum) === AG_VERSION &&
    view.getUint32(AGI.agi_seqno) === number &&
    view.getUint32(AGI.agi_length) === blocksOfGroup(superblock, number)
  if (!isRight) throw damagedGroup(number, 'has no right AGI')
  checkSeal(bytes, superblock, { uuid: AGI.agi_uuid, crc: AGI.agi_crc }, () =>
    damagedGroup(number, 'has an AGI with a wrong checksum or UUID'),
  )
  return view
}

/** Returns the blocks that the group keeps for its trees: a ring of the AGFL from agf_flfirst to agf_fllast. */
function readReserve(bytes: Uint8Array, agf: DataView, superblock: Superblock, number: number): number[] {
  const view = viewOf(bytes)
  const isV5 = superblock.version === 5
  if (isV5) {
    const isRight =
      view.getUint32(AGFL.agfl_magicnum) === AGFL_MAGIC && view.getUint32(AGFL.agfl_seqno) === number
    if (!isRight) throw damagedGroup(number, 'has no right AGFL')
    checkSeal(bytes, superblock, { uuid: AGFL.agfl_uuid, crc: AGFL.agfl_crc }, () =>
      damagedGroup(number, 'has an AGFL with a wrong checksum or UUID'),
    )
  }
  const from = isV5 ? AGFL.agfl_bno : 0
  const places = Math.floor((bytes.length - from) / 4)
  const first = agf.getUint32(AGF.agf_flfirst)
  const last = agf.getUint32(AGF.agf_fllast)
  const count = agf.getUint32(AGF.agf_flcount)
  const isRing =
    first < places && last < places && count <= places && (first + count + places - 1) % places === last
  // An older kernel counted one place more; it and newer ones start such a list anew when they mount.
  if (!isRing) throw damagedGroup(number, `has a strange AGFL, ${count} blocks from ${first} to ${last}`)
  return Array.from({ length: count }, (_, at) => view.getUint32(from + 4 * ((first + at) % places)))
}

/** Roots of trees that not every file system of version 5 has; 0 or "none" then. */
function optionalRoots(agf: DataView, agi: DataView): number[] {
  const roots = [
    agf.getUint32(AGF.agf_rmap_root),
    agf.getUint32(AGF.agf_refcount_root),
    agi.getUint32(AGI.agi_free_root),
  ]
  return roots.filter(root => root !== 0 && root !== NULL_BLOCK)
}

function checkSeal(
  bytes: Uint8Array,
  { version, metaUuid }: Superblock,
  at: { readonly uuid: number; readonly crc: number },
  problem: () => GuestProblem,
): void {
  if (version !== 5) return
  if (!uuidAt(viewOf(bytes), at.uuid).equals(metaUuid) || !hasRightCrc(bytes, at.crc)) throw problem()
}
