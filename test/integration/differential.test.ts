// Machines made by VirtualBox from seeds; the script of 2010 and every engine on copies of each.
//
//   DIFFERENTIAL_MACHINES  how many machines must be gone through (1)
//   DIFFERENTIAL_SECONDS   the time they may take (600); the test fails when they do not fit
//   DIFFERENTIAL_WORKERS   how many are worked on at a time (2)
//   VBOXMERGE_SEED         the first seed; each machine has the next
//   VBOXMERGE_KEEP         keeps the folders of machines that failed until the test ends
import { execFileSync } from 'node:child_process'
import t, { type Test } from 'tap'
import { type MachineReport, runMachine } from '../fixtures/differential/run_machine.ts'
import { startServer } from '../fixtures/differential/virtualbox_server.ts'
import { skipWithoutPython, startVirtualBox } from '../fixtures/real_virtualbox.ts'
import { seed } from '../fixtures/test_run.ts'

const machines = Number(process.env.DIFFERENTIAL_MACHINES ?? 1)
const seconds = Number(process.env.DIFFERENTIAL_SECONDS ?? 600)
const workers = Math.min(machines, Number(process.env.DIFFERENTIAL_WORKERS ?? 2))
/** Each of these must have come up when there are many machines. */
const wantedTraits = [
  ...[
    'forked',
    'several disks',
    'fixed',
    'large blocks',
    'odd size',
    'discarded',
    'same names',
    'no snapshot',
  ],
  ...['ten or more', 'skip', 'count', 'discardCurrentState', 'snapshot', 'compact'],
]

t.setTimeout(1000 * (seconds + 180))
t.test(
  'both engines and the script of 2010 bring machines to the same end',
  { skip: skipWithoutPython },
  async t => {
    t.setTimeout(1000 * (seconds + 120))
    t.comment(`VBOXMERGE_SEED=${seed} DIFFERENTIAL_MACHINES=${machines}`)
    const started = Date.now()
    const deadline = started + 1000 * seconds
    const withQemu = hasQemu()
    if (!withQemu) t.comment('qemu-img is missing: the bases are not read with it')
    const counted: MachineReport[] = []
    const replaced: MachineReport[] = []
    let next = seed
    const work = async (): Promise<void> => {
      const virtualBox = await startVirtualBox(t)
      const server = startServer(virtualBox)
      try {
        while (counted.length < machines && Date.now() < deadline) {
          const report = await runMachine({ virtualBox, server }, next++ >>> 0, withQemu)
          if (report.replaced !== undefined) replaced.push(report)
          else judge(t, counted, report)
        }
      } finally {
        await server.stop()
      }
    }
    await Promise.all(Array.from({ length: workers }, work))

    const merged = counted.reduce((total, report) => total + report.merged, 0)
    const reads = counted.reduce((total, report) => total + report.qemuReads, 0)
    t.comment(
      `seed ${seed}: ${counted.length} machines, ${replaced.length} replaced, ${merged} snapshots merged by the ` +
        `script, ${reads} bases read by qemu-img, ${Math.round((Date.now() - started) / 1000)} s`,
    )
    t.ok(counted.length >= machines, `${counted.length} of ${machines} machines in ${seconds} s`)
    if (machines >= 60) t.strictSame(missingTraits(counted), [], 'every kind of machine and option came up')
  },
)

function judge(t: Test, counted: MachineReport[], report: MachineReport): void {
  counted.push(report)
  const { seed, problems, traits, options } = report
  const name = `VBOXMERGE_SEED=${seed} DIFFERENTIAL_MACHINES=1 (${[...traits, ...options].join(', ')})`
  if (problems.length === 0) t.pass(name)
  else t.fail(name, { problems })
}

function missingTraits(reports: readonly MachineReport[]): string[] {
  const seen = new Set(reports.flatMap(report => [...report.traits, ...report.options]))
  return wantedTraits.filter(trait => !seen.has(trait))
}

function hasQemu(): boolean {
  try {
    execFileSync('qemu-img', ['--version'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}
