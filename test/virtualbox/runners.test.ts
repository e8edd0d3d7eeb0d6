import { spawnSync } from 'node:child_process'
import process from 'node:process'
import t from 'tap'
import { $ } from 'zx/core'
import { execRunner } from '../../lib/virtualbox/exec_runner.ts'
import type { Runner } from '../../lib/virtualbox/runner.ts'
import { zxRunner } from '../../lib/virtualbox/zx_runner.ts'
import { hasCode } from '../fixtures/has_code.ts'

const hasBash = process.platform !== 'win32' && spawnSync('bash', ['-c', ':']).status === 0
const skipWithoutPs = spawnSync('ps', ['-p', String(process.pid)]).status === 0 ? false : 'needs ps'
const node = process.execPath

/** A program that prints its arguments and a variable as JSON. */
const TELL = `console.log(JSON.stringify({ args: process.argv.slice(1), lang: process.env.LC_ALL }))`

/** A program that prints its process group. */
const TELL_GROUP = `
const { spawnSync } = require('node:child_process')
spawnSync('ps', ['-o', 'pgid=', '-p', String(process.pid)], { stdio: 'inherit' })`

const HOSTILE = ['a b', '"', "'", '$HOME', '`id`', '\\', 'x\ny', 'größe', '{}', '*', '', '-n', '!', ';', '\t']

const runners: readonly (readonly [string, Runner])[] = [
  ['execRunner', execRunner],
  ['zxRunner()', zxRunner()],
  ['zxRunner($)', zxRunner($)],
  ['zxRunner() with a preset', zxRunner($({ timeout: '1ms', nothrow: false, verbose: true, halt: true }))],
  ['zxRunner() with a prefix', zxRunner($({ prefix: 'echo injected;', postfix: '; echo injected' }))],
]

for (const [name, run] of runners) {
  const skip = name.startsWith('zx') && !hasBash ? 'needs bash' : false
  t.test(name, { skip }, async t => {
    t.test('hands every argument over as it is', async t => {
      const { stdout, exitCode } = await run(node, ['-e', TELL, '--', ...HOSTILE])
      t.equal(exitCode, 0)
      t.strictSame(JSON.parse(stdout).args, HOSTILE)
    })

    t.test('adds variables to the environment', async t => {
      const { stdout } = await run(node, ['-e', TELL], { env: { LC_ALL: 'C.UTF-8' } })
      t.equal(JSON.parse(stdout).lang, 'C.UTF-8')
    })

    t.test(
      'starts a process group of its own, which a ^C does not reach',
      { skip: skipWithoutPs },
      async t => {
        const own = spawnSync('ps', ['-o', 'pgid=', '-p', String(process.pid)], { encoding: 'utf8' })
        const { stdout } = await run(node, ['-e', TELL_GROUP])
        t.match(stdout, /^ *\d+\n$/)
        t.not(Number(stdout), Number(own.stdout))
      },
    )

    t.test('keeps the two streams apart and streams the error stream as it comes', async t => {
      const script = `console.error('0%...ü'); setTimeout(() => { console.error('100%'); console.log('out') }, 300)`
      const pieces: string[] = []
      const result = await run(node, ['-e', script], { onStderr: text => pieces.push(text) })
      t.equal(result.stdout, 'out\n')
      t.equal(result.stderr, '0%...ü\n100%\n')
      t.equal(pieces.join(''), '0%...ü\n100%\n')
      t.ok(pieces.length >= 2, 'the first piece came before the end')
    })

    t.test('resolves with the exit code of a failure', async t => {
      t.match(await run(node, ['-e', `console.error('no'); process.exit(133)`]), {
        exitCode: 133,
        stderr: 'no\n',
      })
    })

    t.test('does not take the end by a signal for success', async t => {
      const { exitCode } = await run(node, ['-e', `process.kill(process.pid, 'SIGKILL')`])
      t.ok(exitCode === null || exitCode > 128, String(exitCode))
    })

    t.test('rejects when there is no such program', async t => {
      await t.rejects(
        run('/nowhere/VBoxManage', ['--version']),
        hasCode('engine_failed', /Cannot run "\/nowhere/),
      )
    })

    t.test('ends a program that takes too long, when there is a limit', async t => {
      const started = Date.now()
      const { exitCode } = await run(node, ['-e', 'setTimeout(() => {}, 60_000)'], { timeLimit: 300 })
      t.equal(exitCode, null)
      t.ok(Date.now() - started < 30_000)
    })

    t.test('gives the program nothing to read', async t => {
      const script = `process.stdin.on('data', (d) => console.log('got', d)).on('end', () => console.log('end'))`
      t.equal((await run(node, ['-e', script])).stdout, 'end\n')
    })
  })
}

t.test(
  'zx variables of the environment do not change what VBoxManage prints',
  { skip: !hasBash && 'needs bash' },
  async t => {
    const module = new URL('../../lib/virtualbox/zx_runner.ts', import.meta.url).href
    const script = `import { zxRunner } from ${JSON.stringify(module)}
    const { stdout, stderr, exitCode } = await zxRunner()(${JSON.stringify(node)}, ['-e', 'setTimeout(() => console.log(1), 400)'])
    process.stdout.write(JSON.stringify({ stdout, stderr, exitCode }))`
    const { stdout, stderr } = spawnSync(
      node,
      ['--import', './scripts/typescript.mjs', '--input-type=module', '-e', script],
      {
        encoding: 'utf8',
        env: {
          ...process.env,
          ZX_PREFIX: 'echo injected;',
          ZX_POSTFIX: '; echo injected',
          ZX_TIMEOUT: '50ms',
          ZX_VERBOSE: 'true',
          ZX_DETACHED: 'false',
        },
      },
    )
    t.strictSame(JSON.parse(stdout), { stdout: '1\n', stderr: '', exitCode: 0 })
    t.equal(stderr, '', 'zx itself prints nothing')
  },
)

t.test('execRunner refuses output without end', async t => {
  const script = `const piece = 'x'.repeat(1 << 20); for (let i = 0; i < 40; i++) process.stdout.write(piece)`
  await t.rejects(execRunner(node, ['-e', script]), hasCode('engine_failed', /too long/))
})
