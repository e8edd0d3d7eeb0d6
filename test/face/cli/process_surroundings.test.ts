import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import t from 'tap'

const root = fileURLToPath(new URL('../../..', import.meta.url))

/** The fixture's command line, made into one file once for all that start it. */
const program = join(root, '.build', `slow_cli.${process.pid}.mjs`)

t.before(async () => {
  await build({
    entryPoints: [join(root, 'test/face/cli/fixtures/slow_cli.ts')],
    outfile: program,
    bundle: true,
    packages: 'external',
    format: 'esm',
    platform: 'node',
    target: 'node20',
  })
})
t.teardown(() => rm(program, { force: true }))

interface Ended {
  readonly status: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

/** Runs the fixture's command line as a process; `onText` is told of each piece of stderr. */
function runProcess(args: string[], onText: (child: ChildProcess, stderr: string) => void): Promise<Ended> {
  const child = spawn(process.execPath, [program, ...args], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
    onText(child, stderr)
  })
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (status, signal) => resolve({ status, signal, stdout, stderr }))
  })
}

const skip = process.platform === 'win32' && 'Windows has no such signals'

for (const name of ['SIGINT', 'SIGTERM'] as const) {
  t.test(`one ${name} lets the operation stop, and the process exits 130`, { skip }, async t => {
    let sent = false
    const ended = await runProcess(['merge', 'polite'], (child, stderr) => {
      if (!sent && stderr.includes('ready')) sent = child.kill(name)
    })
    t.strictSame([ended.status, ended.signal, ended.stdout], [130, null, ''])
    t.match(ended.stderr, new RegExp(`stopping after .*\\nerror: Cannot finish: interrupted by ${name}`))
  })
}

t.test('a second ^C exits at once', { skip }, async t => {
  const started = Date.now()
  let sent = 0
  const ended = await runProcess(['merge', 'stubborn'], (child, stderr) => {
    const due = stderr.includes('stopping') ? 2 : 1
    if (stderr.includes('ready') && sent < due) {
      sent = due
      child.kill('SIGINT')
    }
  })
  t.strictSame([ended.status, ended.signal], [130, null])
  t.ok(Date.now() - started < 30_000, 'without waiting for the operation')
})

t.test('a reader that goes away early is no crash', { skip }, async t => {
  const command = `{ "${process.execPath}" "${program}" list; echo "status $?" >&2; } | head -n 1`
  const child = spawn('sh', ['-c', command], { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] })
  let stdout = ''
  let stderr = ''
  child.stdout.on('data', text => {
    stdout += text
  })
  child.stderr.on('data', text => {
    stderr += text
  })
  await new Promise(resolve => child.on('close', resolve))
  t.match(stdout, /^NAME .*\n$/)
  t.equal(stderr, 'status 0\n')
})

const skipWithoutFull = process.platform !== 'linux' && 'only Linux has /dev/full'

t.test('a full disk behind the messages is no crash', { skip: skipWithoutFull }, async t => {
  t.equal(inShell('no such command 2>/dev/full'), 'status 2\n')
})

t.test('a full disk behind the result is told', { skip: skipWithoutFull }, async t => {
  t.match(inShell('--help >/dev/full'), /^error: Cannot write the result: ENOSPC.*\nstatus 1\n$/)
})

/** Runs the fixture's command line in a shell; returns all that it wrote, and its status. */
function inShell(words: string): string {
  const command = `{ "${process.execPath}" "${program}" ${words}; echo "status $?"; } 2>&1`
  return execFileSync('sh', ['-c', command], { cwd: root, encoding: 'utf8' })
}
