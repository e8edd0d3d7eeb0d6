// Makes the machine of the demo with the maker that the tests use.
import { open, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { build } from 'esbuild'

const MIB = 2 ** 20

/** MiB at the end of the file of the disk `data` that hold nothing but zeros. */
const ZEROED = 6

/** Two disks; four snapshots, of which one is on a branch of its own; a current state that has moved on. */
const spec = {
  name: 'demo',
  disks: [
    {
      name: 'system',
      capacity: 256 * MIB,
      content: {
        base: blocks(0, 20, 1),
        updated: blocks(14, 22, 2),
        tested: blocks(18, 25, 3),
        experiment: blocks(0, 9, 4),
        current: blocks(21, 28, 5),
      },
    },
    {
      name: 'data',
      capacity: 128 * MIB,
      content: {
        base: blocks(0, 16, 6),
        updated: blocks(2, 6, 7),
        tested: blocks(4, 9, 8),
        experiment: blocks(20, 24, 9),
        current: blocks(8, 10, 10),
      },
    },
  ],
  snapshots: ['installed', 'updated', 'tested', { name: 'experiment', on: 'installed' }],
  current: 'tested',
}

/** Blocks of 1 MiB from `first` up to but not including `end`, with a pattern of their own. */
function blocks(first, end, pattern) {
  return Object.fromEntries(Array.from({ length: end - first }, (_, at) => [first + at, pattern]))
}

/**
 * Makes the machine.
 *
 * @param temporary A folder for what has to be built for it.
 * @param folder The folder of the machine, which need not exist.
 */
export async function makeDemoMachine(root, temporary, folder) {
  const outfile = join(temporary, 'machine_maker.mjs')
  const contents = `
    export { realFiles } from './lib/io/real_files.ts'
    export { makeMachine } from './test/fixtures/machine_maker.ts'
  `
  const stdin = { contents, resolveDir: root, loader: 'ts' }
  await build({ stdin, outfile, bundle: true, platform: 'node', format: 'esm', logLevel: 'error' })
  const { makeMachine, realFiles } = await import(pathToFileURL(outfile).href)
  await makeMachine(realFiles, folder, spec)
  await zeroEnd(join(folder, 'data.vdi'))
}

/** Writes zeros where a guest that cleans its free space up would. */
async function zeroEnd(path) {
  const { size } = await stat(path)
  const file = await open(path, 'r+')
  try {
    await file.write(Buffer.alloc(ZEROED * MIB), 0, ZEROED * MIB, size - ZEROED * MIB)
  } finally {
    await file.close()
  }
}
