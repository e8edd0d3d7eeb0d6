#!/usr/bin/env node
// Makes a golden image: merges, compacts, takes the snapshot "Base", and exports the outcome if it is to be handed on.
//
//   npm install vboxmerge zx
//   node golden_image.mjs MACHINE [--check] [--export FILE.ova] [--home FOLDER]
//
// --home names VirtualBox's settings folder (VBOX_USER_HOME). Ends with the exit status of `vboxmerge golden`.
import process from 'node:process'
import { EXIT_STATUS, ensureGoldenImage, VboxmergeError } from 'vboxmerge'
import { $, argv, echo } from 'zx'

const [machine] = argv._
if (machine === undefined) {
  console.error('Usage: node golden_image.mjs MACHINE [--check] [--export FILE.ova] [--home FOLDER]')
  process.exit(2)
}

// One shell for our own calls and for those of the library.
const env = { ...process.env, ...(argv.home && { VBOX_USER_HOME: argv.home }) }
const shell = $({ env, verbose: false })

try {
  const { changed, steps, before, after, warnings } = await ensureGoldenImage(String(machine), {
    check: argv.check === true,
    // A branch that is still needed stays; what lies below it stays too.
    branches: 'stop',
    freeSpace: 'keep',
    ...(argv.home && { vboxUserHome: argv.home }),
    $: shell,
  })
  for (const { message } of warnings) echo`warning: ${message}`
  const what = changed ? steps.map(({ kind }) => kind).join(', ') : 'nothing to do'
  echo`${machine}: ${what}; ${mebibytes(before.bytes)} -> ${mebibytes(after.bytes)} MiB`

  if (argv.export && argv.check !== true) {
    await shell`${env.VBOXMANAGE ?? 'VBoxManage'} export ${machine} --output ${argv.export}`
    echo`exported to ${argv.export}`
  }
} catch (error) {
  if (!(error instanceof VboxmergeError)) throw error
  console.error(`error: ${error.message}`)
  process.exitCode = EXIT_STATUS[error.code]
}

function mebibytes(bytes) {
  return (bytes / 2 ** 20).toFixed(1)
}
