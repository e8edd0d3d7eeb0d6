// What a crash leaves, before a real VirtualBox: it takes the machine, and finds every image.
import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import t from 'tap'
import { ensureWanted } from '../../lib/ensure/ensure_wanted.ts'
import { type CrashState, crashStates } from '../../lib/io/crash_states.ts'
import { realFiles } from '../../lib/io/real_files.ts'
import type { RecordedFiles } from '../../lib/io/recorded_files.ts'
import { type SeededRandom, seededRandom } from '../../lib/io/seeded_random.ts'
import { filesBelow, restartComputer } from '../fixtures/crash/disk_walk.ts'
import {
  isTaken,
  MACHINE_FOLDER,
  type MachineScenario,
  machineSubject,
  wantedOf,
} from '../fixtures/crash/machine_subject.ts'
import { machineScenarios } from '../fixtures/crash/operations.ts'
import { tableLines } from '../fixtures/crash/table.ts'
import { readMachine } from '../fixtures/machine_reader.ts'
import { type RealVirtualBox, skipWithoutVirtualBox, startVirtualBox } from '../fixtures/real_virtualbox.ts'
import { seed } from '../fixtures/test_run.ts'

/** Crash states that are shown to VirtualBox. */
const wantedStates = Number(process.env.CRASH_REAL_STATES ?? 2)

t.setTimeout((120 + 30 * wantedStates) * 1000)

t.comment(`VBOXMERGE_SEED=${seed}, CRASH_REAL_STATES=${wantedStates}`)

t.test(
  'VirtualBox takes what a crash leaves, and finds every image',
  { skip: skipWithoutVirtualBox },
  async t => {
    const virtualBox = await startVirtualBox(t)
    const random = seededRandom(seed)
    const scenarios = machineScenarios()
    const rows: [string, string, string][] = []
    for (let number = 0; number < wantedStates; number++) {
      // The first one is from the window in which VirtualBox may refuse the machine.
      const scenario = number === 0 ? named(scenarios, 'merge all but one') : random.pick(scenarios)
      const { state, settingsFile } = await randomState(scenario, { random, inWindow: number === 0, number })
      const real = join(virtualBox.machineFolder, `state${number}`, settingsFile.slice(MACHINE_FOLDER.length))
      await restartComputer(state.files)
      await copyOut(state.files, dirname(real))
      const isFinishedFirst = !(await isTaken(state.files, { settingsFile }))
      if (isFinishedFirst) await finish(scenario, real)
      t.same(await problemsOf(virtualBox, real), [], `${scenario.name}\n${state.describe()}`)
      if (!isFinishedFirst && wantedStates > 5) {
        await finish(scenario, real)
        t.same(await problemsOf(virtualBox, real), [], `${scenario.name}, finished`)
      }
      rows.push([
        scenario.name,
        `after change ${state.at}`,
        isFinishedFirst ? 'once it is finished' : 'at once',
      ])
    }
    for (const line of tableLines(['operation', 'crash', 'VirtualBox takes it'], rows)) t.comment(line)
  },
)

function named(scenarios: readonly MachineScenario[], name: string): MachineScenario {
  const found = scenarios.find(scenario => scenario.name === name)
  if (found === undefined) throw new RangeError(`There is no operation "${name}"`)
  return found
}

/**
 * A state after a crash; with `inWindow` one between the second commit and the last new parent link.
 * Each `number` gives another machine, with other UUIDs: when a machine is unregistered, VirtualBox keeps images that
 * no state has attached in its own list, and would refuse the same UUID in another folder.
 */
async function randomState(
  scenario: MachineScenario,
  { random, inWindow, number }: { random: SeededRandom; inWindow: boolean; number: number },
): Promise<{ state: CrashState; settingsFile: string }> {
  const prepared = await machineSubject(scenario, false).make(seed + number)
  const { settingsFile } = prepared.made
  const disk = prepared.disk.fork()
  await prepared.run(disk)
  const recording = disk.recording()
  const commit = recording.entries.findLastIndex(
    entry => entry.kind === 'rename' && entry.to.name === 'web.vbox',
  )
  const at = inWindow ? commit + 1 : random.below(recording.entries.length + 1)
  const states: CrashState[] = []
  for (const state of crashStates(recording, { at, limit: 16, seed: random.below(1000) })) {
    if (!inWindow || !(await isTaken(state.files, { settingsFile }))) states.push(state)
  }
  return { state: random.pick(states), settingsFile }
}

/** Writes the machine of a state into a real folder; what lies elsewhere is not part of it. */
async function copyOut(files: RecordedFiles, folder: string): Promise<void> {
  for (const path of await filesBelow(files, MACHINE_FOLDER)) {
    const to = join(folder, path.slice(MACHINE_FOLDER.length))
    await mkdir(dirname(to), { recursive: true })
    await writeFile(to, await files.readFile(path, 2 ** 28))
  }
}

async function finish(scenario: MachineScenario, settingsFile: string): Promise<void> {
  const options = {
    engine: 'auto',
    registration: 'auto',
    lockTimeout: 0,
    vboxUserHome: '/no-virtualbox',
  } as const
  await ensureWanted(settingsFile, wantedOf(scenario), options)
}

/** Registers a machine, has VirtualBox look at every image that it lists, and unregisters it. */
async function problemsOf(virtualBox: RealVirtualBox, settingsFile: string): Promise<string[]> {
  const registered = await virtualBox.manage('registervm', settingsFile)
  if (registered.exitCode !== 0) return [`registervm: ${registered.stderr}`]
  const problems: string[] = []
  const shown = await virtualBox.manage('showvminfo', settingsFile, '--machinereadable')
  if (!/^VMState="(poweroff|saved)"$/m.test(shown.stdout))
    problems.push(`showvminfo: ${shown.stderr}${shown.stdout}`)
  for (const id of (await readMachine(realFiles, settingsFile)).images.keys()) {
    const { stdout, stderr } = await virtualBox.manage('showmediuminfo', 'disk', id)
    if (!/^State: +created$/m.test(stdout)) problems.push(`showmediuminfo ${id}: ${stderr}${stdout}`)
  }
  const gone = await virtualBox.manage('unregistervm', settingsFile)
  if (gone.exitCode !== 0) problems.push(`unregistervm: ${gone.stderr}`)
  return problems
}
