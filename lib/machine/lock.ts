import { randomBytes } from 'node:crypto'
import { basename, dirname, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { VboxmergeError } from '../errors.ts'
import { errorCode, isFull } from '../io/errno.ts'
import type { FileStat, Files } from '../io/files.ts'
import { type Claim, type Claimant, claimFile, readHolder, removeFile } from './exclusive_file.ts'
import { type HostFacts, realHostFacts } from './host_facts.ts'
import { describeHolder, isGone, type LockHolder } from './lock_holder.ts'

/** How long to wait for a lock. */
export interface LockOptions {
  /** Seconds; 0 tries once. */
  readonly timeout: number
  /** Ends the waiting; the promise rejects with its reason. */
  readonly signal?: AbortSignal | undefined
  /** The time in milliseconds since 1970. Default: the clock. */
  readonly now?: () => number
  /** Default: this computer. */
  readonly host?: HostFacts
}

/** A lock that is held. */
export interface Lock {
  /** The lock file. */
  readonly path: string
  /** Tells this lock from every other that there ever was. */
  readonly token: string
  /** Gives the lock back. Deletes nothing but its own file; a second call does nothing. */
  release(): Promise<void>
}

const FIRST_PAUSE_MS = 20
const LONGEST_PAUSE_MS = 1000

/** Times that a lock may go away while it is looked at before that counts as being held. */
const MOST_QUICK_TRIES = 10

/** Returns the path of the file that locks a machine, beside its `.vbox`. */
export function lockPathOf(settingsFile: string): string {
  return `${settingsFile}.vboxmerge-lock`
}

/**
 * Locks a machine against other runs of vboxmerge and waits for one that has it. The lock of a process
 * that is certainly gone is taken over; one of another host, and one that cannot be read, never is.
 *
 * Throws `machine_locked` when `timeout` is over, `no_space` or `engine_failed` when no lock can be written
 * there, and the signal's reason. The caller releases the lock whatever happens.
 */
export async function acquireLock(files: Files, settingsFile: string, options: LockOptions): Promise<Lock> {
  const { timeout, signal, now = Date.now, host = realHostFacts } = options
  signal?.throwIfAborted()
  const path = lockPathOf(settingsFile)
  const self = await host.self()
  const token = randomBytes(8).toString('hex')
  const like = (await files.stat(settingsFile)) ?? withoutSearch(await files.stat(dirname(settingsFile)))
  const deadline = performance.now() + 1000 * timeout
  let pause = FIRST_PAUSE_MS
  let vanished = 0
  for (;;) {
    const me: LockHolder = { ...self, token, since: new Date(now()).toISOString() }
    const claimant: Claimant = { files, me, like, isGone: holder => isGone(holder, self, host) }
    const claim = await tryClaim(claimant, path, settingsFile)
    if (claim === 'mine') {
      // What others left behind is in no one's way.
      await clearAway(claimant, path).catch(() => undefined)
      return heldLock(files, path, token)
    }
    if (claim === 'vanished' && vanished++ < MOST_QUICK_TRIES) continue
    const left = deadline - performance.now()
    if (left <= 0) throw lockedError(settingsFile, path, claim, now())
    await sleep(Math.min(pause * (0.75 + Math.random() / 2), left), signal)
    pause = Math.min(pause * 1.6, LONGEST_PAUSE_MS)
  }
}

/** Tells whether another run holds the lock of a machine, as far as can be known from here. Writes nothing. */
export async function isLocked(
  files: Files,
  settingsFile: string,
  host: HostFacts = realHostFacts,
): Promise<boolean> {
  return (await livingHolder(files, settingsFile, host)) !== undefined
}

/**
 * Returns who holds the lock of a machine; undefined when nobody does, `unreadable` when its file does not say. Writes
 * nothing.
 */
export async function livingHolder(
  files: Files,
  settingsFile: string,
  host: HostFacts = realHostFacts,
): Promise<LockHolder | 'unreadable' | undefined> {
  const found = await readHolder(files, lockPathOf(settingsFile))
  if (found === 'absent') return undefined
  const { holder } = found
  if (holder === undefined) return 'unreadable'
  return (await isGone(holder, await host.self(), host)) ? undefined : holder
}

/**
 * Waits until no other run holds the lock of a machine, for those who only look. Writes nothing.
 *
 * Throws `machine_locked` when `timeout` is over, and the signal's reason.
 */
export async function awaitUnlocked(files: Files, settingsFile: string, options: LockOptions): Promise<void> {
  const { timeout, signal, now = Date.now, host = realHostFacts } = options
  const path = lockPathOf(settingsFile)
  const deadline = performance.now() + 1000 * timeout
  for (let pause = FIRST_PAUSE_MS; await isLocked(files, settingsFile, host); ) {
    const left = deadline - performance.now()
    if (left <= 0) {
      const found = await readHolder(files, path)
      throw lockedError(settingsFile, path, found === 'absent' ? 'vanished' : found, now())
    }
    await sleep(Math.min(pause, left), signal)
    pause = Math.min(pause * 1.6, LONGEST_PAUSE_MS)
  }
}

/**
 * Removes the lock that a run which died left behind, for a run that finds nothing to do and takes no lock. One that is
 * held stays, and so does one that this user may not remove.
 */
export async function clearStaleLock(
  files: Files,
  settingsFile: string,
  host: HostFacts = realHostFacts,
): Promise<void> {
  if ((await files.stat(lockPathOf(settingsFile))) === undefined) return
  try {
    await (await acquireLock(files, settingsFile, { timeout: 0, host })).release()
  } catch (error) {
    if (!(error instanceof VboxmergeError) && errorCode(error) === undefined) throw error
  }
}

/**
 * Runs `work` while a machine is locked, and gives the lock back however it ends. Where both fail, what `work` throws is
 * told, because that says what was done.
 */
export async function withLock<T>(
  files: Files,
  settingsFile: string,
  options: LockOptions,
  work: (lock: Lock) => Promise<T>,
): Promise<T> {
  const lock = await acquireLock(files, settingsFile, options)
  let result: T
  try {
    result = await work(lock)
  } catch (error) {
    await lock.release().catch(() => undefined)
    throw error
  }
  await lock.release()
  return result
}

/** A clone's lock is older than the clone: whoever may look into its folder may see who holds it. */
function withoutSearch(folder: FileStat | undefined): FileStat | undefined {
  return folder && { ...folder, mode: folder.mode & 0o666 }
}

async function tryClaim(claimant: Claimant, path: string, settingsFile: string): Promise<Claim> {
  try {
    return await claimFile(claimant, path)
  } catch (cause) {
    await heldLock(claimant.files, path, claimant.me.token)
      .release()
      .catch(() => undefined)
    const code = errorCode(cause)
    if (code === undefined) throw cause
    if (code === 'EPERM' || code === 'EACCES') await refuseStaleLock(claimant, path, settingsFile, code)
    const text = `Cannot lock ${JSON.stringify(settingsFile)}: its folder takes no lock file (${code}); run as its owner, and see that the disk is neither full nor read-only`
    throw new VboxmergeError(isFull(cause) ? 'no_space' : 'engine_failed', text, { cause })
  }
}

/** In a folder where only owners take files away, the lock of someone else's dead run stays. */
async function refuseStaleLock(
  { files, me }: Claimant,
  path: string,
  settingsFile: string,
  code: string,
): Promise<void> {
  const found = await readHolder(files, path)
  if (found === 'absent' || found.holder === undefined) return
  const { pid, user } = found.holder
  const who = `process ${pid} of user ${JSON.stringify(user)} on host ${JSON.stringify(me.host)}`
  throw new VboxmergeError(
    'machine_locked',
    `Cannot lock "${settingsFile}": ${who} has left its lock, does not run any more, and user ` +
      `${JSON.stringify(me.user)} may not take the lock away (${code}); delete "${path}" as its owner`,
  )
}

function heldLock(files: Files, path: string, token: string): Lock {
  let held = true
  const release = async (): Promise<void> => {
    if (!held) return
    held = false
    const found = await readHolder(files, path)
    if (found !== 'absent' && found.holder?.token === token) await removeFile(files, path)
  }
  return { path, token, release }
}

/**
 * Removes what crashed runs left beside the lock. Only the holder may: a claim is worth nothing once
 * someone else has the lock, and whoever loses a draft simply tries again.
 */
async function clearAway(claimant: Claimant, path: string): Promise<void> {
  const { files } = claimant
  const folder = dirname(path)
  for (const name of await files.list(folder)) {
    if (!name.startsWith(`${basename(path)}.`)) continue
    const found = await readHolder(files, join(folder, name))
    if (found === 'absent') continue
    const { holder } = found
    const litter = holder === undefined ? name.endsWith('.new') : await claimant.isGone(holder)
    if (litter) await removeFile(files, join(folder, name))
  }
}

async function sleep(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  try {
    await delay(milliseconds, undefined, signal === undefined ? {} : { signal })
  } catch (error) {
    signal?.throwIfAborted()
    throw error
  }
}

function lockedError(
  settingsFile: string,
  path: string,
  claim: Exclude<Claim, 'mine'>,
  now: number,
): VboxmergeError {
  const found =
    claim === 'vanished' ? `${JSON.stringify(path)} comes and goes` : describeClaim(claim.holder, path, now)
  const help = `wait for it or raise lockTimeout; when no vboxmerge runs there any more, delete ${JSON.stringify(path)}`
  return new VboxmergeError(
    'machine_locked',
    `Cannot lock ${JSON.stringify(settingsFile)}: ${found}; ${help}`,
  )
}

function describeClaim(holder: LockHolder | undefined, path: string, now: number): string {
  return holder === undefined ? `${JSON.stringify(path)} cannot be read` : describeHolder(holder, now)
}
