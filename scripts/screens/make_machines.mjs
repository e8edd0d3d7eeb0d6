// Makes the machines of the screens, with the maker that the tests use: all of them are the same each time.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { build } from 'esbuild'

const MIB = 2 ** 20
const PAGE = 4096

/** Snapshots of two months, a disk that a guest works on, and one with its swap space. */
const web = {
  name: 'web',
  disks: [
    {
      name: 'web',
      capacity: 512 * MIB,
      content: {
        base: blocks(0, 24, 1),
        'before update': blocks(18, 30, 2),
        tested: blocks(24, 40, 3),
        current: blocks(36, 48, 4),
      },
    },
    {
      name: 'swap',
      capacity: 64 * MIB,
      content: {
        base: blocks(0, 20, 5),
        'before update': blocks(4, 10, 6),
        tested: blocks(6, 12, 7),
        current: blocks(8, 14, 8),
      },
    },
  ],
  snapshots: ['installed', 'before update', 'tested'],
}

const mail = {
  name: 'mail',
  seed: 2,
  disks: [{ name: 'mail', capacity: 256 * MIB, content: { base: blocks(0, 12, 1) } }],
  moved: false,
}

/** Blocks of 1 MiB from `first` up to but not including `end`, with a pattern of their own. */
function blocks(first, end, pattern) {
  return Object.fromEntries(Array.from({ length: end - first }, (_, at) => [first + at, pattern]))
}

/**
 * Makes the machines.
 *
 * @param temporary A folder for what has to be built for it.
 * @param folder The folder of the machines.
 * @returns `known`: text in which every UUID stands that is the same each time.
 */
export async function makeMachines(root, temporary, folder) {
  const outfile = join(temporary, 'machine_maker.mjs')
  const contents = `
    export { realFiles } from './lib/io/real_files.ts'
    export { makeMachine } from './test/fixtures/machine_maker.ts'
  `
  const stdin = { contents, resolveDir: root, loader: 'ts' }
  await build({ stdin, outfile, bundle: true, platform: 'node', format: 'esm', logLevel: 'error' })
  const { makeMachine, realFiles } = await import(pathToFileURL(outfile).href)
  const made = []
  for (const spec of [web, mail]) made.push(await makeMachine(realFiles, join(folder, spec.name), spec))
  await makeSwap(join(folder, 'web', 'swap.vdi'), 64 * MIB)
  mkdirSync(join(folder, 'broken'))
  writeFileSync(join(folder, 'broken', 'broken.vbox'), '')
  return { known: made.map(({ settingsFile }) => readFileSync(settingsFile, 'utf8')).join('') }
}

/** Writes the header of swap space into the first block, as mkswap does. */
async function makeSwap(path, size) {
  const file = await open(path, 'r+')
  try {
    const header = Buffer.alloc(512)
    await file.read(header, 0, 512, 0)
    const dataOffset = header.readUInt32LE(0x158)
    const page = Buffer.alloc(PAGE)
    page.writeUInt32LE(1, 1024)
    page.writeUInt32LE(size / PAGE - 1, 1028)
    page.write('swap', 1052)
    page.write('SWAPSPACE2', PAGE - 10)
    await file.write(page, 0, PAGE, dataOffset)
  } finally {
    await file.close()
  }
}
