#!/usr/bin/env node
// Keeps all registered machines together under a size, for a nightly timer: when they have grown over it, merges and
// compacts those that give back most, until it is enough. A lone snapshot "Base" stays where it is.
//
//   npm install vboxmerge zx
//   node keep_flat.mjs --budget 200G [--check] [--home FOLDER]
//
// --home names VirtualBox's settings folder (VBOX_USER_HOME). Machines that run or are locked are left for the next
// night. Exit status: 0 under the budget, 1 over it or with a machine that could not be worked on, 2 for a command
// line that cannot be meant.
import process from 'node:process'
import { ensureCompacted, ensureMerged, inspectMachines, VboxmergeError } from 'vboxmerge'
import { $, argv, echo } from 'zx'

const budget = bytesOf(argv.budget)
if (budget === undefined) {
  console.error('Usage: node keep_flat.mjs --budget SIZE [--check] [--home FOLDER]   (SIZE: 500M, 200G, 2T)')
  process.exit(2)
}
const check = argv.check === true
const virtualBox = { $: $({ verbose: false }), ...(argv.home && { vboxUserHome: argv.home }) }
// Whoever works on a machine at night has a reason; tomorrow is another night.
const patience = { whenBusy: 'skip', lockTimeout: 0 }

const machines = await inspectMachines(virtualBox)
const bytesBefore = machines.reduce((sum, { summary }) => sum + summary.bytes, 0)
let bytes = bytesBefore
const left = []

if (bytes > budget) {
  const candidates = []
  for (const { machine } of machines) candidates.push({ machine, ...(await flatten(machine, true)) })
  candidates.sort((a, b) => b.gain - a.gain)
  for (const { machine, gain, problem } of candidates) {
    if (problem !== undefined) left.push(problem)
    if (problem !== undefined || gain <= 0 || bytes <= budget) continue
    const done = check ? { gain } : await flatten(machine, false)
    bytes -= done.gain
    if (done.problem !== undefined) left.push(done.problem)
    echo(`${check ? 'would flatten' : 'flattened'} ${machine.name}: ${size(done.gain)}`)
  }
}

for (const { text } of left) echo(text)
echo(`${machines.length} machines: ${size(bytesBefore)}, now ${size(bytes)}, budget ${size(budget)}`)
process.exitCode = bytes > budget || left.some(({ isFailure }) => isFailure) ? 1 : 0

/** Merges and compacts a machine, or says what that would give back; a machine that cannot be worked on is a value. */
async function flatten({ id, name, settingsFile }, check) {
  const options = { ...virtualBox, ...patience, check }
  const who = name || settingsFile
  let gain = 0
  try {
    const steps = [
      // Giving up branches with their data is nothing that a timer should decide.
      () => ensureMerged(id, { ...options, branches: 'stop' }),
      () => ensureCompacted(id, { ...options, freeSpace: 'keep' }),
    ]
    for (const step of steps) {
      const { before, after, skipped } = await step()
      if (skipped !== undefined) return { gain, problem: { text: `busy: ${who}`, isFailure: false } }
      gain += before.bytes - after.bytes
    }
    return { gain }
  } catch (error) {
    if (!(error instanceof VboxmergeError)) throw error
    return { gain, problem: { text: `failed: ${who}: ${error.message}`, isFailure: true } }
  }
}

/** Reads `200G`, `1.5T` or plain bytes. */
function bytesOf(text) {
  const [, number, unit = ''] = /^(\d+(?:\.\d+)?)([KMGT]?)$/i.exec(String(text ?? '')) ?? []
  const power = ['', 'K', 'M', 'G', 'T'].indexOf(unit.toUpperCase())
  return number === undefined ? undefined : Number(number) * 1024 ** power
}

function size(bytes) {
  return `${(bytes / 2 ** 30).toFixed(3)} GiB`
}
