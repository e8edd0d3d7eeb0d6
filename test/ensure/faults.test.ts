import t from 'tap'
import { seededRandom } from '../../lib/io/seeded_random.ts'
import { checkFault, type FaultOutcome } from '../fixtures/crash/fault_check.ts'
import {
  FAULT_KINDS,
  type FaultKind,
  type PlannedFault,
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
  readonly outcomes: { readonly kind: FaultKind; readonly outcome: FaultOutcome }[]
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
    made.push({ subject, prepared, faults, outcomes: [] })
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
      for (const { subject, prepared, faults, outcomes } of all) {
        const fault = faults[at]
        if (fault === undefined || (at > 0 && Date.now() >= end)) continue
        outcomes.push({ kind: fault.kind, outcome: await checkFault(subject, prepared, fault) })
      }
    }
    const kinds = [...FAULT_KINDS]
    const head = ['operation', 'VirtualBox', ...kinds, 'runs failed', 'succeeded', 'of all faults, %']
    const table = all.map(row => cellsOf(row, kinds))
    const total = [...totalRow('together', table).slice(0, -1), '']
    for (const line of tableLines(head, [...table, total])) t.comment(line)
    t.comment(`table: VBOXMERGE_SEED=${seed}`)
    for (const [code, count] of codesOf(all)) t.comment(`table: ${count} × ${code}`)
    for (const { subject, outcomes } of all)
      t.ok(outcomes.length > 0, `${subject.name}: ${outcomes.length} faults`)
  },
)

function cellsOf({ subject, faults, outcomes }: Row, kinds: readonly FaultKind[]): Cell[] {
  const failed = outcomes.filter(({ outcome }) => outcome.failed).length
  return [
    subject.name,
    subject.registered ? 'knows it' : 'does not',
    ...kinds.map(kind => outcomes.filter(one => one.kind === kind).length),
    failed,
    outcomes.length - failed,
    Math.round((100 * outcomes.length) / Math.max(1, faults.length)),
  ]
}

/** How often each fault led to each code of an error. */
function codesOf(all: readonly Row[]): [string, number][] {
  const counts = new Map<string, number>()
  for (const { outcomes } of all) {
    for (const { kind, outcome } of outcomes) {
      const name = `${kind}: ${outcome.code ?? 'done all the same'}`
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
  const gone = await made('merge all, count rises', true)
  for (const at of [3, 4, 5]) {
    const fault = { kind: 'EACCES', operation: 'syncFolder', at, sticky: true, fate: 'works' } as const
    t.ok((await checkFault(...undo, fault)).failed, `undoing that fails, at flush ${at} of a folder`)
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
