// The path of a new user: each command line, and what it prints, with what differs from run to run written over.
import { spawnSync } from 'node:child_process'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import process from 'node:process'

/** In their order; a line of `#` tells what happens in between. */
const SCREENS = [
  { name: '1-list.txt', lines: ['vboxmerge list VMs'] },
  { name: '2-info.txt', lines: ['vboxmerge info VMs/web --scan'] },
  { name: '3-plan.txt', lines: ['vboxmerge golden VMs/web --check'] },
  { name: '4-run.txt', lines: ['vboxmerge golden VMs/web'] },
  { name: '5-again.txt', lines: ['vboxmerge golden VMs/web', 'vboxmerge list VMs'] },
]

/** Whose folder is shown: as long as that of the run. */
const SHOWN_FOLDER = '/home/kim/VirtualBox-VM-data'

/**
 * Runs the commands, one after the other.
 *
 * @param stage `program`, the built command line; `folder`, in which the machines lie in `VMs`; `known`, text with the
 *   UUIDs that are the same each time.
 * @returns Pairs of a file's name and its text.
 * @throws When a command does not end well.
 */
export function takeScreens(stage) {
  return SCREENS.map(({ name, lines }) => [name, lines.map(line => run(stage, line)).join('\n')])
}

function run({ program, folder, known }, line) {
  const [, ...args] = line.split(' ')
  const printed = join(folder, 'printed')
  // One file for both streams keeps the order in which a terminal would show them.
  const output = openSync(printed, 'w')
  const env = {
    PATH: process.env.PATH,
    HOME: folder,
    VBOX_USER_HOME: join(folder, 'no-virtualbox'),
    LC_ALL: 'C.UTF-8',
    COLUMNS: '80',
  }
  const { status } = spawnSync(process.execPath, [program, ...args], {
    cwd: folder,
    env,
    stdio: ['ignore', output, output],
  })
  closeSync(output)
  const text = readFileSync(printed, 'utf8')
  if (status !== 0) throw new Error(`${line} ended with exit status ${status}: ${text}`)
  return `$ ${line}\n${masked(text, folder, known)}`
}

/** Writes over what is another one each time: the folder, UUIDs and times of what the run made. */
function masked(text, folder, known) {
  if (folder.length !== SHOWN_FOLDER.length) throw new Error(`${folder} is not as long as ${SHOWN_FOLDER}`)
  return text
    .replaceAll(folder, SHOWN_FOLDER)
    .replace(/\{([0-9a-f]{8})…\}/g, (found, start) => (known.includes(`{${start}-`) ? found : '{········…}'))
    .replace(/20\d\d-\d\d-\d\d \d\d:\d\d:\d\d UTC/g, found =>
      found.startsWith('2026-01-01') ? found : '2026-01-31 12:00:00 UTC',
    )
}
