// Measures one way to do something to a machine, on a fresh copy of it, and looks at what came of it.
import { execFileSync, spawn } from 'node:child_process'
import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { dropFromCache, flush } from './make_machine.mjs'
import { processorSeconds } from './virtualbox.mjs'

/** The name of every machine that is measured. */
export const NAME = 'bench'
export const cli = fileURLToPath(new URL('../dist/cli.js', import.meta.url))
const meter = new URL('measure_process.mjs', import.meta.url).href

/**
 * Measures a contestant, again where VirtualBox's server was not the same all the time: a client that meets one that
 * comes or goes hangs for ten seconds, which has nothing to do with the work.
 *
 * @param place VirtualBox, the folder to work in, whether to leave images in the system's cache.
 * @param original Folder of the machine; it is copied, never touched.
 * @param contestant Its `work` is handed the run; `registered` says whether VirtualBox knows the machine.
 */
export async function measure(place, original, contestant) {
  for (let attempt = 0; attempt < 5; attempt++) {
    const measured = await measureOnce(place, original, contestant)
    if (!measured.disturbed) return measured
    console.log('VBoxSVC came or went in the middle of a run; measuring that one again')
  }
  throw new Error('Cannot measure: VBoxSVC came or went in the middle of five runs')
}

async function measureOnce({ virtualBox, folder, warm }, original, contestant) {
  const copy = join(folder, 'copy')
  const settingsFile = join(copy, NAME, `${NAME}.vbox`)
  execFileSync('cp', ['--archive', '--sparse=auto', '--reflink=never', original, copy])
  flush(copy)
  if (!warm) dropFromCache(copy)
  if (contestant.registered) {
    await virtualBox.wake()
    await virtualBox.manage('registervm', settingsFile)
  } else {
    await virtualBox.settle()
  }
  const clock = stopwatch()
  const run = { virtualBox, folder: copy, machineFolder: join(copy, NAME), settingsFile, clock }
  const servers = virtualBox.servers().join()
  const before = taken(virtualBox)
  clock.resume()
  const measured = await contestant.work(run)
  clock.pause()
  const seconds = clock.seconds()
  const after = taken(virtualBox)
  const disturbed = contestant.mayRestart !== true && virtualBox.servers().join() !== servers
  clock.resume()
  flush(copy)
  clock.pause()
  const taking = Object.fromEntries(Object.keys(after).map(key => [key, after[key] - before[key]]))
  const { ownCpuSeconds: _part, ...own } = measured ?? {}
  for (const key of ['read', 'written', 'stored']) if (own[key] !== undefined) own[key] += taking[key]
  if (contestant.registered) await virtualBox.manage('unregistervm', NAME)
  await virtualBox.settle()
  const found = await look(virtualBox, contestant.outcomeIn?.(copy) ?? settingsFile)
  const noted = (await contestant.inspect?.(run)) ?? {}
  rmSync(copy, { recursive: true })
  return { seconds, secondsToDisk: clock.seconds(), ...taking, ...own, ...found, ...noted, disturbed }
}

/** Adds up the time between `resume` and `pause`. */
export function stopwatch() {
  let sum = 0
  let started
  return {
    resume: () => {
      started ??= performance.now()
    },
    pause: () => {
      if (started !== undefined) sum += performance.now() - started
      started = undefined
    },
    seconds: () => sum / 1000,
  }
}

/** What VirtualBox's servers and all programs started here have taken so far. */
function taken(virtualBox) {
  const servers = virtualBox.taken()
  return { ...servers, cpuSeconds: servers.cpuSeconds + processorSeconds('self').children }
}

/** Runs our command line on the machine of a run and returns what it took. */
export async function callCli({ virtualBox, settingsFile }, [command, ...options]) {
  const report = `${settingsFile}-measured.json`
  const args = ['--import', meter, cli, command, settingsFile, '--quiet', ...options]
  await runNode(args, { ...virtualBox.env, VBOXMERGE_BENCH_REPORT: report })
  const measured = JSON.parse(readFileSync(report, 'utf8'))
  rmSync(report)
  return measured
}

/** Returns the digests of what the guest sees, and what the machine consists of. */
export async function look(virtualBox, settingsFile) {
  const text = await runNode([cli, 'info', settingsFile, '--digest', '--json'], virtualBox.env)
  const [{ summary, digests }] = JSON.parse(text).machines
  const { snapshots, images, bytes } = summary
  return { digest: digests.map(({ sha256 }) => sha256).join(), snapshots, images, bytes }
}

function runNode(args, env) {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, args, { env, stdio: ['ignore', 'pipe', 'inherit'] })
    let text = ''
    child.stdout.setEncoding('utf8').on('data', part => {
      text += part
    })
    child.on('error', reject)
    child.on('close', (status, signal) => {
      if (status === 0) resolve(text)
      else reject(new Error(`node ${args.join(' ')} ended with ${signal ?? status}`))
    })
  })
}
