import t from 'tap'
import { seededRandom } from '../../lib/io/seeded_random.ts'
import { checkFault, type FaultOutcome, type FinishedStates } from '../fixtures/crash/fault_check.ts'
import {
  FAULT_KINDS,
  type FaultKind,
  type PlannedFault,
  placeOf,
  plannedFaults,
  shuffled,
} from '../fixtures/crash/fault_plan.ts'
import { operation, operations } from '../fixtures/crash/operations.ts'
import type { Subject, SubjectCase } from '../fixtures/crash/subject.ts'
import { type Cell, tableLines, totalRow } from '../fixtures/crash/table.ts'
import { seed } from '../fixtures/test_run.ts'

const seconds = Number(process.env.FAULT_SECONDS ?? 4)
/** With little time some operations are tried, each on one machine, known to VirtualBox or not by turns. */
const isBrief = seconds < 60

t.setTimeout((seconds + 240) * 1000)
t.comment(`VBOXMERGE_SEED=${seed}, FAULT_SECONDS=${seconds}`)

/** An operation, the faults that it can meet, and what became of those that were tried. */
interface Row {
  readonly subject: Subject
  readonly prepared: SubjectCase
  readonly faults: readonly PlannedFault[]
  readonly outcomes: { readonly fault: PlannedFault; readonly outcome: FaultOutcome }[]
  /** Faults from a call on that would have hit no other call than the one that was tried. */
  readonly equal: PlannedFault[]
  readonly finished: FinishedStates
}

async function rows(): Promise<Row[]> {
  const [plain, registered] = [operations(false), operations(true)]
  const byTurns = plain.map((subject, index) =>
    (seed + index) % 2 === 1 ? subject : (registered[index] ?? subject),
  )
  const subjects = isBrief ? shuffled(byTurns, seededRandom(seed)).slice(0, 7) : [...plain, ...registered]
  const made: Row[] = []
  for (const [index, subject] of subjects.entries()) {
    const prepared = await subject.make(seed)
    const faults = await plannedFaults(prepared, seededRandom(seed + index))
    made.push({ subject, prepared, faults, outcomes: [], equal: [], finished: new Map() })
  }
  return made
}

t.test(
  'when anything fails at any time, it is told clearly, every view reads right, and the next run finishes',
  async t => {
    const all = await rows()
    const end = Date.now() + 1000 * seconds
    const longest = Math.max(...all.map(({ faults }) => faults.length))
    for (let at = 0; at < longest && (at === 0 || Date.now() < end); at++) {
      for (const row of all) {
        const fault = row.faults[at]
        if (fault === undefined || (at > 0 && Date.now() >= end)) continue
        if (isKnown(row, fault)) row.equal.push(fault)
        else {
          const outcome = await checkFault(row.subject, row.prepared, fault, row.finished)
          row.outcomes.push({ fault, outcome })
        }
      }
    }
    const kinds = [...FAULT_KINDS]
    const head = ['operation', 'VirtualBox', ...kinds, 'runs failed', 'succeeded', 'finished', ...SHARES]
    const table = all.map(row => [...countsOf(row, kinds), ...sharesOf([row])])
    const total = [...totalRow('together', table).slice(0, -SHARES.length), ...sharesOf(all)]
    for (const line of tableLines(head, [...table, total])) t.comment(line)
    const tried = all.reduce((sum, { outcomes }) => sum + outcomes.length, 0)
    const equal = all.reduce((sum, row) => sum + row.equal.length, 0)
    const faults = all.reduce((sum, row) => sum + row.faults.length, 0)
    t.comment(
      `table: VBOXMERGE_SEED=${seed}: ${tried} of ${faults} faults tried, ${equal} equal to one of them`,
    )
    for (const [code, count] of codesOf(all)) t.comment(`table: ${count} × ${code}`)
    for (const { subject, outcomes } of all)
      t.ok(outcomes.length > 0, `${subject.name}: ${outcomes.length} faults`)
  },
)

/** A fault from a call on that would hit that call alone is the same as one at that call. */
function isKnown({ outcomes }: Row, fault: PlannedFault): boolean {
  if (!fault.sticky) return false
  const once = placeOf({ ...fault, sticky: false })
  return outcomes.some(
    ({ fault: other, outcome }) =>
      !outcome.wouldStay && other.kind === fault.kind && other.fate === fault.fate && placeOf(other) === once,
  )
}

/** Of every call, and of every call and those after it: those that failed in at least one way; of all faults. */
const SHARES = ['calls, %', 'from a call on, %', 'of all faults, %']

function countsOf({ subject, outcomes, finished }: Row, kinds: readonly FaultKind[]): Cell[] {
  const failed = outcomes.filter(({ outcome }) => outcome.failed).length
  return [
    subject.name,
    subject.registered ? 'knows it' : 'does not',
    ...kinds.map(kind => outcomes.filter(({ fault }) => fault.kind === kind).length),
    failed,
    outcomes.length - failed,
    finished.size,
  ]
}

function sharesOf(rows: readonly Row[]): Cell[] {
  const share = (has: (fault: PlannedFault) => boolean, name: (fault: PlannedFault) => string): number => {
    const sizeOf = (faultsOf: (row: Row) => readonly PlannedFault[]): number =>
      rows.reduce((sum, row) => sum + new Set(faultsOf(row).filter(has).map(name)).size, 0)
    const done = sizeOf(({ outcomes, equal }) => [...outcomes.map(({ fault }) => fault), ...equal])
    return Math.round(
      (100 * done) /
        Math.max(
          1,
          sizeOf(({ faults }) => faults),
        ),
    )
  }
  return [
    share(({ sticky }) => !sticky, placeOf),
    share(({ sticky }) => sticky, placeOf),
    share(
      () => true,
      fault => `${placeOf(fault)} ${fault.kind} ${fault.fate}`,
    ),
  ]
}

/** How often each fault led to each code of an error. */
function codesOf(all: readonly Row[]): [string, number][] {
  const counts = new Map<string, number>()
  for (const { outcomes } of all) {
    for (const { fault, outcome } of outcomes) {
      const name = `${fault.kind}: ${outcome.code ?? 'done all the same'}`
      counts.set(name, (counts.get(name) ?? 0) + 1)
    }
  }
  return [...counts].sort(([a], [b]) => (a < b ? -1 : 1))
}

t.test('what once did harm does none any more', async t => {
  const made = async (name: string, registered: boolean): Promise<[Subject, SubjectCase]> => {
    const subject = operation(name, registered)
    return [subject, await subject.make(1)]
  }
  const undo = await made('discard the current state, skip one', false)
  const clone = await made('clone a snapshot', false)
  const gone = await made('merge all, count rises', true)
  for (const at of [3, 4, 5]) {
    const fault = { kind: 'EACCES', operation: 'syncFolder', at, sticky: true, fate: 'works' } as const
    t.ok((await checkFault(...undo, fault)).failed, `undoing that fails, at flush ${at} of a folder`)
  }
  for (let at = 20; at < 30; at++) {
    const fault = { kind: 'EACCES', operation: 'stat', at, sticky: false, fate: 'works' } as const
    t.ok((await checkFault(...clone, fault)).failed, `a look that fails once the source is locked: ${at}`)
  }
  const merge = await made('merge all', false)
  for (const at of [4, 5, 6, 7]) {
    const fault = { kind: 'EDQUOT', operation: 'unlink', at, sticky: true, fate: 'works' } as const
    t.ok((await checkFault(...merge, fault)).failed, `neither an image nor the lock can be removed: ${at}`)
  }
  for (const sticky of [false, true]) {
    const fault = {
      kind: 'VBoxManage',
      operation: undefined,
      at: 2,
      sticky,
      fate: 'fails afterwards',
    } as const
    t.ok((await checkFault(...gone, fault)).failed, 'unregistering that says that it failed')
  }
})

t.test('a wrong engine is found out', async t => {
  const [subject] = operations(false)
  if (subject === undefined) throw new RangeError('There are no operations')
  const prepared = await subject.make(1)
  const fault: PlannedFault = { kind: 'EIO', operation: 'sync', at: 5, sticky: false, fate: 'works' }
  const deaf: SubjectCase = {
    ...bound(prepared),
    run: (disk, around) => prepared.run(disk, around).catch(() => rest),
  }
  await t.rejects(checkFault(subject, deaf, fault), /it succeeds although a flush of .* failed/)
  const bare: SubjectCase = {
    ...bound(prepared),
    run: async (disk, around) => {
      const result = prepared.run(disk, around)
      return await result.catch(() => Promise.reject(new TypeError('x is not a function')))
    },
  }
  await t.rejects(checkFault(subject, bare, fault), /its code is none \(TypeError/)
})

const rest = { changed: true } as Awaited<ReturnType<SubjectCase['run']>>

function bound(prepared: SubjectCase): SubjectCase {
  return {
    disk: prepared.disk,
    run: (disk, around) => prepared.run(disk, around),
    restart: disk => prepared.restart(disk),
    atAnyMoment: disk => prepared.atAnyMoment(disk),
    afterRun: (disk, acted) => prepared.afterRun(disk, acted),
  }
}
