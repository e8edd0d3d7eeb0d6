// Kills the built command line in the middle of its work on real files.
//
//   KILLS           how many times (default a handful)
//   VBOXMERGE_SEED  repeats the machines and moments; what is under way at a moment is up to the computer
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { startServer } from '../fixtures/differential/virtualbox_server.ts'
import { type KillPlace, killAndFinish, prepareScenario } from '../fixtures/kills/kill_round.ts'
import { killScenarios } from '../fixtures/kills/kill_scenarios.ts'
import { randomFrom } from '../fixtures/random.ts'
import { findVirtualBox, skipWithoutPython, startVirtualBox } from '../fixtures/real_virtualbox.ts'
import { temporaryFolder } from '../fixtures/temporary_folder.ts'
import { seed } from '../fixtures/test_run.ts'

const kills = Number(process.env.KILLS ?? 2)
/** Machines that VirtualBox has registered take many times longer. */
const registeredShare = 0.3

/** Those that take long enough to be hit by fifty kills. */
const phasesInFolders = ['1', '3', '6', '7', 'c']
const phasesRegistered = ['2']

t.setTimeout((600 + 5 * kills) * 1000)

t.test('a machine in a folder is whole after every kill of a run, and the next run finishes', async t => {
  const folder = await temporaryFolder(t)
  const userHome = join(folder, 'registry')
  await mkdir(userHome)
  const judge = findVirtualBox()?.python === undefined ? undefined : startServer(await startVirtualBox(t))
  if (judge === undefined) t.comment('needs VirtualBox with its Python interface: no VirtualBox is asked')
  const env = { ...process.env, VBOX_USER_HOME: userHome }
  const place = { folder, env, userHome, random: randomFrom(seed), registry: undefined, judge }
  try {
    await killAll(t, place, Math.ceil((1 - registeredShare) * kills))
  } finally {
    await judge?.stop()
  }
})

t.test(
  'a registered machine is whole after every kill, and registered again at the end',
  {
    skip: skipWithoutPython,
  },
  async t => {
    const wanted = Math.floor(registeredShare * kills)
    if (wanted === 0) return t.comment('KILLS is too small for registered machines')
    const virtualBox = await startVirtualBox(t)
    const { folder, env, userHome } = virtualBox
    const registry = startServer(virtualBox)
    const judge = startServer(await startVirtualBox(t))
    const place = { folder, env, userHome, random: randomFrom(seed ^ 1), registry, judge }
    await killAll(t, place, wanted)
    await registry.stop()
    await judge.stop()
  },
)

/** Kills runs until there are enough kills, in one scenario after the other. */
async function killAll(t: Test, place: KillPlace, wanted: number): Promise<void> {
  const started = Date.now()
  const phases = new Map<string, number>()
  const { random } = place
  let done = 0
  let judged = 0
  let finished = 0
  // Making a machine and measuring a whole run takes as long as some kills.
  const scenarios = random.shuffle(killScenarios).slice(0, Math.ceil(wanted / 2))
  for (const [index, scenario] of scenarios.entries()) {
    const share = Math.ceil((wanted - done) / (scenarios.length - index))
    const prepared = await prepareScenario(place, scenario)
    for (let killed = 0; killed < share; ) {
      const life = await killAndFinish(place, prepared, Math.min(share - killed, random.between(1, 3)))
      killed += life.phases.length
      done += life.phases.length
      judged += life.judged
      finished += 1
      for (const phase of life.phases) {
        const row = `${scenario.name.padEnd(20)} ${phase}`
        phases.set(row, (phases.get(row) ?? 0) + 1)
      }
    }
  }
  const table = [...phases].sort().map(([row, count]) => `${String(count).padStart(4)} ${row}`)
  t.comment(
    `table: VBOXMERGE_SEED=${seed} KILLS=${kills}: ${done} kills, ${finished} machines finished, ${judged} shown to ` +
      `VirtualBox, ${Math.round((Date.now() - started) / 1000)} s`,
  )
  for (const row of table) t.comment(`table: ${row}`)
  t.ok(done >= wanted, `${done} kills`)
  if (wanted < 50) return
  const isHit = (phase: string): boolean => [...phases.keys()].some(row => row.includes(` ${phase}`))
  const expected = place.registry === undefined ? phasesInFolders : [...phasesInFolders, ...phasesRegistered]
  t.strictSame(
    expected.filter(phase => !isHit(phase)),
    [],
    'runs were killed in every phase',
  )
}
