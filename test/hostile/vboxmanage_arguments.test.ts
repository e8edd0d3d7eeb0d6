// Names and paths that look like options or commands: VBoxManage gets them where they can be nothing but values.
import { spawnSync } from 'node:child_process'
import process from 'node:process'
import t from 'tap'
import { $ } from 'zx/core'
import { VboxmergeError } from '../../lib/errors.ts'
import { execRunner } from '../../lib/virtualbox/exec_runner.ts'
import { createManage, type Manage } from '../../lib/virtualbox/manage.ts'
import type { Runner } from '../../lib/virtualbox/runner.ts'
import { zxRunner } from '../../lib/virtualbox/zx_runner.ts'
import { randomFrom } from '../fixtures/random.ts'
import { seed } from '../fixtures/test_run.ts'

const hasBash = process.platform !== 'win32' && spawnSync('bash', ['-c', ':']).status === 0
const node = process.execPath
const ID = '11111111-1111-4111-8111-111111111111'
const OTHER = '22222222-2222-4222-8222-222222222222'

const HOSTILE = [
  '--help',
  '-rf',
  '--',
  '-',
  '--description=x',
  `{${OTHER}}`,
  OTHER,
  'a b',
  '"',
  "'",
  `'"'"'`,
  ';',
  '; touch /tmp/x',
  '$(touch /tmp/x)',
  '`touch /tmp/x`',
  '$HOME',
  '|',
  '&',
  '>x',
  '\\',
  '\\"',
  'a\nb',
  '\r\n',
  '\t',
  '*',
  '~',
  '!!',
  '%PATH%',
  '@file',
  '/a=b',
  'VBOX_USER_HOME=/x',
  '\u202e',
  '\x1b[2J',
  'ü',
  '名',
  '😀',
  ' ',
  'x'.repeat(1000),
]

/** The words that this project itself puts into a call. */
const WORDS = new Set([
  'snapshot',
  'take',
  'delete',
  'restore',
  'unregistervm',
  'registervm',
  'discardstate',
  'modifymedium',
  'showmediuminfo',
  'closemedium',
  'setextradata',
  'disk',
  '--compact',
])

/** Every call that is handed a name, a path or a value of someone else. */
const CALLS: Readonly<Record<string, (manage: Manage, text: string) => Promise<unknown>>> = {
  takeSnapshot: (manage, text) => manage.takeSnapshot(ID, text, text),
  deleteSnapshot: (manage, text) => manage.deleteSnapshot(ID, { id: OTHER, name: text }),
  restoreSnapshot: (manage, text) => manage.restoreSnapshot(ID, { id: OTHER, name: text }),
  register: (manage, text) => manage.register(`/vms/${text}.vbox`),
  setExtraData: (manage, text) => manage.setExtraData(ID, 'vboxmerge/clone', text),
}

for (const [name, call] of Object.entries(CALLS)) {
  t.test(`${name}() hands a name over only where nothing else can be meant`, async t => {
    for (const text of HOSTILE) {
      const seen: (readonly string[])[] = []
      const runner: Runner = async (_file, args) => {
        seen.push(args)
        return { exitCode: 0, stdout: '', stderr: '' }
      }
      await call(createManage({ file: '/x/VBoxManage', platform: 'linux', runner }), text)
      const [args = []] = seen
      t.equal(seen.length, 1)
      for (const [index, word] of args.entries()) {
        const isOurs = WORDS.has(word) || word === ID || word === OTHER || word === 'vboxmerge/clone'
        const isTakenName = args[0] === 'snapshot' && args[2] === 'take' && index === 3
        const isDescription = isTakenName || word === `--description=${text}`
        const isPath = args[0] === 'registervm' && index === 1 && word.startsWith('/vms/')
        const isValue = args[0] === 'setextradata' && index === 3 && word === text
        if (!isOurs && !isDescription && !isPath && !isValue)
          t.fail(`${JSON.stringify(args)} holds a stray word`)
      }
      // A snapshot is only ever named by the word behind "take".
      if (name.endsWith('Snapshot') && name !== 'takeSnapshot') t.notOk(args.includes(text) && text !== OTHER)
    }
  })

  t.test(`when ${name}() fails, its message is one line that a terminal can show`, async t => {
    for (const text of HOSTILE) {
      const runner: Runner = async () => ({
        exitCode: 1,
        stdout: '',
        stderr: `VBoxManage: error: no ${text}\nVBoxManage: error: Details: code E_FAIL (0x80004005)\n`,
      })
      const failed = await call(
        createManage({ file: '/x/VBoxManage', platform: 'linux', runner }),
        text,
      ).then(
        () => undefined,
        (error: unknown) => error,
      )
      if (!(failed instanceof VboxmergeError)) return t.fail(`${JSON.stringify(text)}: ${String(failed)}`)
      // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what may not be in it.
      t.notMatch(failed.message, /[\0-\x1f\x7f-\x9f\u202e]/)
    }
  })
}

t.test('a UUID that is none is never handed on', async t => {
  const manage = createManage({
    file: '/x/VBoxManage',
    platform: 'linux',
    runner: async () => {
      throw new Error('it was called')
    },
  })
  for (const id of [
    '--help',
    '',
    '0',
    `${ID} `,
    `{${ID}}`,
    '00000000-0000-0000-0000-000000000000',
    `${ID}\n`,
  ]) {
    await t.rejects(manage.unregister(id), { name: 'TypeError' })
    await t.rejects(manage.deleteSnapshot(ID, { id, name: 'a' }), { name: 'TypeError' })
  }
})

const TELL = 'console.log(JSON.stringify(process.argv.slice(1)))'
const runners: readonly (readonly [string, Runner])[] = [
  ['without a shell', execRunner],
  ['by zx', zxRunner()],
  ["by a caller's own zx", zxRunner($({ prefix: 'echo injected;' }))],
]

for (const [name, run] of runners) {
  t.test(`arguments arrive as they were given ${name}`, { skip: !hasBash && 'needs bash' }, async t => {
    const random = randomFrom(seed)
    t.comment(`VBOXMERGE_SEED=${seed}`)
    const letters = [...'abZ09 -_=/\\"\'`$(){}[]<>|&;*?~!#%^\n\r\tü名😀\u202e\x1b']
    const noise = Array.from({ length: 200 }, () =>
      Array.from({ length: random.between(0, 12) }, () => random.pick(letters)).join(''),
    )
    const args = [...HOSTILE, ...noise]
    const { stdout, exitCode } = await run(node, ['-e', TELL, '--', ...args])
    t.equal(exitCode, 0)
    t.strictSame(JSON.parse(stdout), args)
  })
}
