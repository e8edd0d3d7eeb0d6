// node bench/clone_machine.mjs: how long cloning a machine takes VBoxManage clonevm and takes vboxmerge. See README.md.
import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, realpathSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { dropFromCache, flush, makeMachine } from './make_machine.mjs'
import { makeRecipe } from './recipe.mjs'
import { findVBoxManage, isolatedVirtualBox } from './virtualbox.mjs'

const NAME = 'bench'
const cli = fileURLToPath(new URL('../dist/cli.js', import.meta.url))
const text = value => ({ type: 'string', default: value })
const { values: wanted } = parseArgs({
  options: { scale: text('0.1'), rounds: text('3'), seed: text('1'), folder: text(tmpdir()) },
})

async function main() {
  const vboxmanage = findVBoxManage()
  if (vboxmanage === undefined || process.platform !== 'linux') {
    throw new Error('Cannot compare: this needs Linux and a VBoxManage that works')
  }
  if (!existsSync(cli)) throw new Error('Cannot find dist/: run npm run build first')
  const folder = realpathSync(mkdtempSync(join(wanted.folder, 'vboxmerge-bench-')))
  const home = mkdtempSync(join(realpathSync(tmpdir()), 'vboxmerge-bench-home-'))
  const virtualBox = isolatedVirtualBox(vboxmanage, home)
  try {
    await compare(virtualBox, folder)
  } finally {
    await virtualBox.stop()
    rmSync(folder, { recursive: true, force: true, maxRetries: 3 })
  }
}

async function compare(virtualBox, folder) {
  const recipe = makeRecipe({ scale: Number(wanted.scale), seed: Number(wanted.seed), zeros: 1 / 8 })
  const source = join(folder, 'source')
  console.log(`VirtualBox ${virtualBox.version}, Node.js ${process.version}, scale ${wanted.scale}`)
  console.log(`making a disk of ${recipe.capacityMiB} MiB with ${recipe.dataMiB} MiB in 14 images …`)
  await makeMachine(virtualBox, source, NAME, recipe)
  await virtualBox.wake()
  const settingsFile = join(source, NAME, `${NAME}.vbox`)
  await virtualBox.manage('registervm', settingsFile)
  const digest = digestOf(virtualBox, settingsFile)
  const contestants = {
    'VBoxManage clonevm': async name => {
      await virtualBox.manage('clonevm', NAME, '--name', name, '--register', '--basefolder', source)
    },
    'vboxmerge clone': async name => {
      runCli(virtualBox, ['clone', settingsFile, '--clone-name', name, '--free-space=keep', '--quiet'])
    },
  }
  const seconds = Object.fromEntries(Object.keys(contestants).map(name => [name, []]))
  for (let round = 1; round <= Number(wanted.rounds); round++) {
    // Who comes first may find the disk busy with what was before, so they change places.
    const order = round % 2 === 1 ? Object.entries(contestants) : Object.entries(contestants).reverse()
    for (const [contestant, work] of order) {
      const clone = join(source, 'clone')
      dropFromCache(source)
      await virtualBox.wake()
      const started = performance.now()
      await work('clone')
      flush(clone)
      const took = (performance.now() - started) / 1000
      seconds[contestant].push(took)
      const bytes = readdirSync(clone).reduce((sum, name) => sum + statSync(join(clone, name)).size, 0)
      console.log(
        `${contestant.padEnd(20)} ${took.toFixed(2).padStart(7)} s to disk ${(bytes / 1e6).toFixed(0).padStart(6)} MB`,
      )
      if (digestOf(virtualBox, join(clone, 'clone.vbox')) !== digest)
        throw new Error(`${contestant}: the clone reads otherwise`)
      await virtualBox.manage('unregistervm', 'clone', '--delete')
      rmSync(clone, { recursive: true, force: true })
    }
  }
  const [theirs, ours] = Object.values(seconds).map(median)
  console.log(
    `median ${theirs.toFixed(2)} s and ${ours.toFixed(2)} s: ${(theirs / ours).toFixed(1)} times as fast`,
  )
}

function median(numbers) {
  return [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)]
}

function digestOf(virtualBox, settingsFile) {
  const [machine] = JSON.parse(runCli(virtualBox, ['info', settingsFile, '--digest', '--json'])).machines
  return machine.digests[0].sha256
}

function runCli({ env }, args) {
  return execFileSync(process.execPath, [cli, ...args], {
    env,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  })
}

try {
  await main()
} catch (error) {
  console.error(error.message)
  process.exitCode = 1
}
