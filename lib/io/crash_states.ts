import { describeEntry, type LogEntry, type Recording, startTree } from './file_log.ts'
import { SECTOR_SIZE, type SectorMask } from './memory_content.ts'
import { forkTree, type MemoryTree } from './memory_tree.ts'
import { type PendingChange, splitByDurability } from './pending_changes.ts'
import { RecordedFiles } from './recorded_files.ts'
import { type SeededRandom, seededRandom } from './seeded_random.ts'

/** Which of the possible states after a power failure are wanted. */
export interface CrashOptions {
  /** How many changes had happened. Default: all. */
  readonly at?: number
  /** States built at most, torn ones not counted; all subsets when there are no more than these. Default 256. */
  readonly limit?: number
  /** Whether writes are also torn between their 512-byte sectors. Default true. */
  readonly torn?: boolean
  /** Leaves out what was possible one change earlier already. Default false. */
  readonly newOnly?: boolean
  /** Makes the random choices repeatable. Default 1. */
  readonly seed?: number
}

/** What a disk may hold after a power failure. */
export interface CrashState {
  /** A settled file system of its own: the product can run on it, and be recorded again. */
  readonly files: RecordedFiles
  /** How many changes had happened. */
  readonly at: number
  /** One line for each change that was not safe: `+` on the disk, `-` lost, `~` torn. */
  describe(): string
}

/** For each pending change: all of it, nothing of it, or the sectors that were written. */
type Fate = boolean | SectorMask

interface Scene {
  readonly recording: Recording
  readonly base: MemoryTree
  readonly pending: readonly PendingChange[]
  readonly at: number
}

/** Yields the states that a power failure after the first `at` changes of a recording can leave. */
export function* crashStates(recording: Recording, options: CrashOptions = {}): Generator<CrashState> {
  const { at = recording.entries.length, limit = 256, torn = true, newOnly = false, seed = 1 } = options
  const scene = sceneAt(recording, at)
  const random = seededRandom(seed + at)
  const newest = newestOf(scene)
  if (newOnly && newest === undefined && at > 0 && coveredBefore(recording, at, limit)) return
  const wanted = newOnly ? newest : undefined
  const seen = new Set<string>()
  for (const choice of choices(scene.pending, limit, random)) {
    if (wanted !== undefined && !choice[wanted]) continue
    const key = choice.map(Number).join('')
    if (seen.has(key)) continue
    seen.add(key)
    yield buildState(scene, choice)
  }
  if (torn) yield* tornStates(scene, wanted, limit, random)
}

/** Yields the states that a power failure at any moment of a recording can leave, each once where they are few. */
export function* allCrashStates(
  recording: Recording,
  options: Omit<CrashOptions, 'at' | 'newOnly'> = {},
): Generator<CrashState> {
  for (let at = 0; at <= recording.entries.length; at++) {
    yield* crashStates(recording, { ...options, at, newOnly: true })
  }
}

function sceneAt(recording: Recording, at: number): Scene {
  const { durable, pending } = splitByDurability(recording.entries.slice(0, at))
  const base = startTree(recording)
  for (const entry of durable) applyEntry(base, entry)
  return { recording, base, pending, at }
}

function newestOf({ recording, pending, at }: Scene): number | undefined {
  const last = pending.length - 1
  return last >= 0 && pending[last]?.entry === recording.entries[at - 1] ? last : undefined
}

/** A flush adds no state, unless those before it were too many to be all built. */
function coveredBefore(recording: Recording, at: number, limit: number): boolean {
  const before = splitByDurability(recording.entries.slice(0, at - 1)).pending
  return 2 ** before.length <= limit
}

function* choices(
  pending: readonly PendingChange[],
  limit: number,
  random: SeededRandom,
): Generator<readonly boolean[]> {
  const count = pending.length
  if (2 ** count <= limit) {
    for (let mask = 0; mask < 2 ** count; mask++) {
      const choice = pending.map((_, index) => ((mask >> index) & 1) === 1)
      if (pending.every(({ needs }, index) => !choice[index] || needs.every(at => choice[at]))) yield choice
    }
    return
  }
  let left = limit
  for (const choice of notable(pending)) {
    if (left-- > 0) yield choice
  }
  while (left-- > 0) {
    const density = random.next()
    yield withNeeds(
      pending,
      pending.map(() => random.next() < density),
    )
  }
}

/** Nothing, everything, everything but one change (and what needs it), one change (and what it needs). */
function* notable(pending: readonly PendingChange[]): Generator<readonly boolean[]> {
  yield pending.map(() => false)
  yield pending.map(() => true)
  for (let lost = pending.length - 1; lost >= 0; lost--) yield without(pending, lost)
  for (let kept = pending.length - 1; kept >= 0; kept--) yield only(pending, kept)
}

function only(pending: readonly PendingChange[], kept: number): boolean[] {
  return withNeeds(
    pending,
    pending.map((_, index) => index === kept),
  )
}

function without(pending: readonly PendingChange[], lost: number): boolean[] {
  const choice: boolean[] = []
  pending.forEach(({ needs }, index) => {
    choice.push(index !== lost && needs.every(at => choice[at]))
  })
  return choice
}

function withNeeds(pending: readonly PendingChange[], wanted: readonly boolean[]): boolean[] {
  const choice = [...wanted]
  for (let index = pending.length - 1; index >= 0; index--) {
    if (choice[index]) for (const need of pending[index]?.needs ?? []) choice[need] = true
  }
  return choice
}

function* tornStates(
  scene: Scene,
  wanted: number | undefined,
  limit: number,
  random: SeededRandom,
): Generator<CrashState> {
  const { pending } = scene
  let left = limit
  for (let torn = pending.length - 1; torn >= 0; torn--) {
    const around = [pending.map(() => true), only(pending, wanted ?? torn)]
    for (const mask of tearings(scene, torn, random)) {
      for (const choice of around) {
        if (left-- <= 0) return
        const fates: Fate[] = [...choice]
        fates[torn] = mask
        yield buildState(scene, fates)
      }
    }
  }
}

function tearings({ base, pending }: Scene, index: number, random: SeededRandom): SectorMask[] {
  const entry = pending[index]?.entry
  if (entry?.kind !== 'write') return []
  const end = entry.position + entry.data.length
  const sectors = Math.ceil(end / SECTOR_SIZE) - Math.floor(entry.position / SECTOR_SIZE)
  const masks: SectorMask[] = []
  if (sectors > 1) {
    const cut = 1 + random.below(sectors - 1)
    const written = Array.from({ length: sectors }, () => random.next() < 0.5)
    masks.push(
      sector => sector < cut,
      sector => sector >= cut,
      sector => written[sector] === true,
    )
  }
  const node = base.get(entry.inode)
  // The new length may be on the disk without the bytes, which then read as zeros.
  if (node?.kind === 'file' && node.content.length < end) masks.push(() => false)
  return masks
}

function buildState(scene: Scene, fates: readonly Fate[]): CrashState {
  const { recording, base, pending, at } = scene
  const tree = new Map(base)
  const changed = new Set<number>()
  pending.forEach(({ entry }, index) => {
    const fate = fates[index] ?? false
    if (fate !== false) applyEntry(ownNodes(tree, entry, changed), entry, fate === true ? undefined : fate)
  })
  // The fork drops what has no name and makes what is left independent of the scene.
  const files = new RecordedFiles({}, { tree: forkTree(tree), nextInode: recording.nextInode })
  return { files, at, describe: () => describeState(scene, fates) }
}

/** Replaces the inodes that `entry` changes by copies, so that the scene stays as it is. */
function ownNodes(tree: MemoryTree, entry: LogEntry, owned: Set<number>): MemoryTree {
  for (const inode of inodesOf(entry)) {
    const node = tree.get(inode)
    if (node === undefined || owned.has(inode)) continue
    owned.add(inode)
    if (node.kind === 'file') tree.set(inode, { ...node, content: node.content.fork() })
    else if (node.kind === 'folder') tree.set(inode, { ...node, entries: new Map(node.entries) })
  }
  return tree
}

function inodesOf(entry: LogEntry): number[] {
  if (entry.kind === 'rename') return [entry.from.folder, entry.to.folder]
  return 'at' in entry ? [entry.at.folder] : [entry.inode]
}

function applyEntry(tree: MemoryTree, entry: LogEntry, mask?: SectorMask): void {
  const names = (folder: number): Map<string, number> | undefined => {
    const node = tree.get(folder)
    return node?.kind === 'folder' ? node.entries : undefined
  }
  switch (entry.kind) {
    case 'create':
    case 'mkdir':
    case 'link':
      names(entry.at.folder)?.set(entry.at.name, entry.inode)
      return
    case 'unlink':
      names(entry.at.folder)?.delete(entry.at.name)
      return
    case 'rename':
      names(entry.from.folder)?.delete(entry.from.name)
      names(entry.to.folder)?.set(entry.to.name, entry.inode)
      return
    case 'sync':
    case 'syncFolder':
      return
    default:
      applyContent(tree, entry, mask)
  }
}

function applyContent(
  tree: MemoryTree,
  entry: Extract<LogEntry, { kind: 'write' | 'truncate' | 'setowner' }>,
  mask: SectorMask | undefined,
): void {
  const node = tree.get(entry.inode)
  if (node?.kind !== 'file') return
  if (entry.kind === 'setowner') {
    const { mode, owner, group } = entry
    Object.assign(node, { mode, owner, group })
    return
  }
  if (entry.kind === 'truncate') node.content.truncate(entry.length)
  else if (mask === undefined) node.content.write(entry.data, entry.position)
  else node.content.writeSectors(entry.data, entry.position, mask)
  node.mtimeNs = entry.mtimeNs
}

function describeState({ pending, at }: Scene, fates: readonly Fate[]): string {
  const lines = pending.map(({ entry }, index) => {
    const fate = fates[index] ?? false
    const sign = fate === true ? '+' : fate === false ? '-' : '~'
    return `${sign} ${describeEntry(entry)}`
  })
  return [`power failure after ${at} changes`, ...lines].join('\n')
}
