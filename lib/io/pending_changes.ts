import { changesContent, changesNames, type EntryName, type LogEntry, type NameChange } from './file_log.ts'

/** A change that may or may not be on the disk. */
export interface PendingChange {
  readonly entry: LogEntry
  /** Positions in the list of pending changes that are on the disk whenever this one is. */
  readonly needs: readonly number[]
}

/** The changes of a run up to some point, by what a power failure there can do to them. */
export interface Durability {
  /** Are on the disk, in this order. */
  readonly durable: readonly LogEntry[]
  /** May be there, in this order. */
  readonly pending: readonly PendingChange[]
}

/**
 * Tells what is safely on the disk after `entries`. Content is when its file was flushed afterwards, a
 * name when its folder was (both folders for a rename across two).
 *
 * What is pending may be there in any subset, but the history of one name is never reordered: an entry
 * of a folder that was written with a later change holds the earlier ones too. So a change of a name
 * needs all earlier changes of the same name; a rename ties its two names together.
 */
export function splitByDurability(entries: readonly LogEntry[]): Durability {
  const flushed = lastFlushes(entries)
  const safe = entries.map((entry, index) => isFlushed(entry, index, flushed))
  const before = earlierOfSameName(entries)
  for (let index = entries.length - 1; index >= 0; index--) {
    if (safe[index]) for (const earlier of before[index] ?? []) safe[earlier] = true
  }
  const durable = entries.filter((_, index) => safe[index])
  const waiting = entries.flatMap((entry, index) => (safe[index] || isFlush(entry) ? [] : [index]))
  const position = new Map(waiting.map((index, at) => [index, at]))
  const pending = waiting.flatMap(index => {
    const entry = entries[index]
    if (entry === undefined) return []
    const needs = (before[index] ?? []).flatMap(earlier => position.get(earlier) ?? [])
    return [{ entry, needs }]
  })
  return { durable, pending }
}

function isFlush(entry: LogEntry): boolean {
  return entry.kind === 'sync' || entry.kind === 'syncFolder'
}

function lastFlushes(entries: readonly LogEntry[]): Map<number, number> {
  const last = new Map<number, number>()
  entries.forEach((entry, index) => {
    if (entry.kind === 'sync' || entry.kind === 'syncFolder') last.set(entry.inode, index)
  })
  return last
}

function isFlushed(entry: LogEntry, index: number, flushed: ReadonlyMap<number, number>): boolean {
  const after = (inode: number): boolean => (flushed.get(inode) ?? -1) > index
  if (changesContent(entry)) return after(entry.inode)
  return changesNames(entry) && namesOf(entry).every(({ folder }) => after(folder))
}

/** For each entry the latest earlier change of each name that it changes. */
function earlierOfSameName(entries: readonly LogEntry[]): number[][] {
  const latest = new Map<string, number>()
  return entries.map((entry, index) => {
    if (!changesNames(entry)) return []
    const keys = namesOf(entry).map(({ folder, name }) => `${folder}/${name}`)
    const earlier = keys.flatMap(key => latest.get(key) ?? [])
    for (const key of keys) latest.set(key, index)
    return [...new Set(earlier)]
  })
}

function namesOf(entry: NameChange): EntryName[] {
  return entry.kind === 'rename' ? [entry.from, entry.to] : [entry.at]
}
