// The story of the demo: each command line, what it prints, and what is to be seen there.
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import process from 'node:process'
import { styleText } from 'node:util'

const WIDTH = 80
const PREPARE = 'vboxmerge demo --branches=discard --compact --snapshot --free-space=keep'

/**
 * Runs through the demo.
 *
 * @param stage `program`, the built command line; `machines`, the folder in which the machine `demo` lies;
 *   `home`, a folder for VirtualBox's settings that does not exist, so that no real machine is looked at;
 *   `signal`, which ends the demo.
 * @throws When the content of the disks changed, when the second run changed anything, or when a command ended
 *   in another way than told.
 */
export async function tell(stage) {
  const show = (command, wantedStatus = 0) => showRun(stage, command, wantedStatus)

  say(
    'A machine with two disks and a fork in its tree of snapshots. Below are digests',
    'of all that a guest reads on each disk.',
  )
  const before = digestsIn(await show('vboxmerge info demo --digest'))

  say('A merge would pull the ground from under the other branch, so it is refused:')
  await show('vboxmerge merge demo', 3)

  say('What giving the other branch up would come to. Nothing is written yet:')
  await show(`${PREPARE} --check`)

  say('In earnest: merge, drop blocks of zeros, shield with a snapshot, in one pass:')
  const after = digestsIn(await show(`${PREPARE} --digest`))
  if (before.length !== 2 || before.join() !== after.join()) {
    throw new Error(`the content of the disks changed: ${before.join(', ')} became ${after.join(', ')}`)
  }
  say('The digests are the same as before: the guest finds every byte in its place.')

  const files = stateOf(stage.machines)
  say('The same command again finds the machine as wanted:')
  const again = await show(PREPARE)
  if (!again.includes('nothing to do')) throw new Error('the second run found something to do')
  if (stateOf(stage.machines) !== files) throw new Error('the second run changed a file')
  say('No file was written. What is left of the tree and of the images:')
  await show('vboxmerge info demo')
  say('The machine is removed now. To look at machines of your own: vboxmerge list')
}

/** Prints lines of our own. */
function say(...lines) {
  for (const line of lines) print(styled('dim', line))
}

/** Shows a command line and runs it; returns what it printed to stdout. */
async function showRun(stage, command, wantedStatus) {
  print('')
  for (const line of continued(command)) print(styled('bold', line))
  const [, ...args] = command.split(' ')
  const { status, stdout, stderr } = await finished(stage, args)
  // Progress goes to stderr too, and is of interest only while one waits.
  const shown = status === 0 ? stdout : stdout + stderr
  for (const line of shown.trimEnd().split('\n')) {
    const indent = line.slice(0, line.search(/\S|$/))
    for (const part of fold(line, `${indent}    `, WIDTH)) print(part)
  }
  print('')
  if (status === wantedStatus) return stdout
  throw new Error(`"${command}" ended with exit status ${status}, not ${wantedStatus}: ${stderr.trim()}`)
}

/** A command line as one would type it, over more than one line where it is long. */
function continued(command) {
  const lines = fold(`$ ${command}`, '    ', WIDTH - 2)
  return lines.map((line, at) => (at < lines.length - 1 ? `${line} \\` : line))
}

function finished({ program, machines, home, signal }, args) {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted()
    const env = { ...process.env, VBOX_USER_HOME: home }
    const stdio = ['ignore', 'pipe', 'pipe']
    const child = spawn(process.execPath, [program, ...args], { cwd: machines, env, stdio })
    const stop = () => child.kill('SIGKILL')
    signal.addEventListener('abort', stop)
    const text = { stdout: '', stderr: '' }
    for (const name of ['stdout', 'stderr']) {
      child[name].setEncoding('utf8').on('data', part => {
        text[name] += part
      })
    }
    child.on('error', reject)
    child.on('close', status => {
      signal.removeEventListener('abort', stop)
      if (signal.aborted) reject(signal.reason)
      else resolve({ status, ...text })
    })
  })
}

function digestsIn(text) {
  return [...text.matchAll(/^ *sha256 ([0-9a-f]{64}) /gm)].map(([, digest]) => digest)
}

/** What would differ if any file of a folder were written, made or removed. */
function stateOf(folder) {
  const files = readdirSync(folder, { recursive: true }).map(String).sort()
  const hash = createHash('sha256')
  for (const file of files) {
    const path = join(folder, file)
    const { mtimeMs, size } = statSync(path)
    hash.update(`${file} ${mtimeMs} ${size}\n`)
    if (statSync(path).isFile()) hash.update(readFileSync(path))
  }
  return hash.digest('hex')
}

/** Breaks a line between words where it is wider than it may be. */
function fold(line, indent, width) {
  const lines = []
  let rest = line
  while (rest.length > width) {
    const space = rest.lastIndexOf(' ', width)
    const end = space > indent.length ? space : width
    lines.push(rest.slice(0, end).trimEnd())
    rest = indent + rest.slice(end).trimStart()
  }
  return [...lines, rest]
}

function print(text) {
  process.stdout.write(`${text}\n`)
}

function styled(look, text) {
  const { isTTY } = process.stdout
  if (!isTTY || process.env.NO_COLOR || !process.stdout.hasColors()) return text
  return styleText(look, text)
}
