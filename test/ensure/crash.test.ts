import { writeFile } from 'node:fs/promises'
import t from 'tap'
import { type CrashCounts, checkCrashes, recordCase } from '../fixtures/crash/crash_check.ts'
import { guestDisks, noGuestDisks } from '../fixtures/crash/guest_disks.ts'
import { machineSubject } from '../fixtures/crash/machine_subject.ts'
import { operations } from '../fixtures/crash/operations.ts'
import type { Subject } from '../fixtures/crash/subject.ts'
import { type Cell, tableLines, totalRow } from '../fixtures/crash/table.ts'
import { makeDiskImage } from '../fixtures/guest/disk_image.ts'
import { runTool } from '../fixtures/guest/tools.ts'
import { readDisk, readMachine } from '../fixtures/machine_reader.ts'
import { seed, thorough } from '../fixtures/test_run.ts'

const seconds = Number(process.env.CRASH_SECONDS ?? (thorough ? 8 : 4))
/** With little time each operation is tried on one machine, known to VirtualBox or not by turns. */
const isBrief = seconds < 60

t.setTimeout((seconds + 240) * 1000)
t.comment(`VBOXMERGE_SEED=${seed}, CRASH_SECONDS=${seconds}`)

async function subjects(): Promise<Subject[]> {
  const more = noGuestDisks === false ? await guestDisks(t, seed) : []
  const [plain, registered] = [operations(false, more), operations(true, more)]
  if (!isBrief) return [...plain, ...registered]
  return plain.map((subject, index) => ((seed + index) % 2 === 0 ? subject : (registered[index] ?? subject)))
}

t.test(
  'every view that the settings name reads right after a crash at any moment, and the next run finishes',
  async t => {
    const all = await subjects()
    const sums = new Map<Subject, CrashCounts>()
    const end = Date.now() + 1000 * seconds
    // Each round has other machines.
    for (let round = 0; round === 0 || Date.now() < end; round++) {
      for (const [index, subject] of all.entries()) {
        const left = all.length - index
        const until = Date.now() + Math.max(0, end - Date.now()) / left
        sums.set(subject, added(sums.get(subject), await tryOut(subject, round, until)))
      }
    }
    const rows = all.map(subject => row(subject, sums.get(subject)))
    const head = [
      'operation',
      'VirtualBox',
      'crash points',
      'disk states',
      'runs finished',
      'after a user’s edit',
    ]
    for (const line of tableLines(head, [...rows, totalRow('together', rows)])) t.comment(line)
    t.comment(`table: VBOXMERGE_SEED=${seed}`)
    for (const subject of all) {
      const { states, finished } = sums.get(subject) ?? nothing
      t.ok(states > 0 && finished > 0, `${subject.name}: ${states} states, ${finished} runs finished`)
    }
  },
)

/** States for each moment at most, by round: first every moment is to be seen. */
const LIMITS = [6, 16]

const nothing: CrashCounts = { points: 0, states: 0, finished: 0, edited: 0 }

async function tryOut(subject: Subject, round: number, until: number): Promise<CrashCounts> {
  const recorded = await recordCase(subject, seed + round)
  const effort = isBrief
    ? { limit: 3, resumeEach: 3, editEach: 7 }
    : { limit: LIMITS[round] ?? 64, resumeEach: 3, editEach: 5 }
  return await checkCrashes(recorded, { ...effort, seed: seed + round, until })
}

function added(sum: CrashCounts = nothing, more: CrashCounts): CrashCounts {
  return {
    points: sum.points + more.points,
    states: sum.states + more.states,
    finished: sum.finished + more.finished,
    edited: sum.edited + more.edited,
  }
}

function row(subject: Subject, { points, states, finished, edited }: CrashCounts = nothing): Cell[] {
  return [subject.name, subject.registered ? 'knows it' : 'does not', points, states, finished, edited]
}

t.test(
  'what is in the matrix of guests gives blocks back, and their file system is whole',
  { skip: noGuestDisks },
  async t => {
    for (const scenario of await guestDisks(t, seed)) {
      const prepared = await machineSubject(scenario, false).make(seed)
      await prepared.run(prepared.disk)
      const { states } = await readMachine(prepared.disk, prepared.made.settingsFile)
      const image = states.at(-1)?.images.get(0)
      if (image === undefined) throw new RangeError('the machine has no disk')
      t.ok(image.table.filter(slot => slot < 0xfffffffe).length <= image.table.length * 0.75, scenario.name)
      const raw = await makeDiskImage(t, 4)
      await writeFile(raw, await readDisk(image))
      await t.resolves(runTool('e2fsck', '-fn', raw))
    }
  },
)
