// JSON that no Ansible would send: each module answers with one JSON object, and nothing is done by half.
import { Buffer } from 'node:buffer'
import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import t from 'tap'
import type { ModuleTask } from '../../lib/face/module/module_task.ts'
import { MODULES } from '../../lib/face/module/modules.ts'
import type { OperationName } from '../../lib/options/operation_options.ts'
import { parseOptions } from '../../lib/options/parse_options.ts'
import { sampleInfo, sampleResult } from '../face/cli/fixtures/samples.ts'
import { runBuilt } from '../face/module/fixtures/built_module.ts'
import { type FakeAnswer, runFakeModule } from '../face/module/fixtures/fake_module.ts'
import { cpuClock } from '../fixtures/hostile/cpu_time.ts'
import { mutateJson } from '../fixtures/hostile/mutate_json.ts'
import { randomFrom } from '../fixtures/random.ts'
import { temporaryFolder } from '../fixtures/temporary_folder.ts'
import { seed } from '../fixtures/test_run.ts'

t.setTimeout(300_000)

const inputs = Number(process.env.FUZZ_INPUTS ?? 500)
const LONGEST = 4100

// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what a terminal may not be sent.
const UNSAFE = /[\0-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/

/** What operations were called with. */
const calls: { readonly operation: OperationName; readonly machine: unknown; readonly options: object }[] = []

function taskOf(operation: OperationName): ModuleTask {
  if (operation === 'info') {
    const one = async (machine: string, { signal, ...options }: object & { signal?: unknown }) => {
      calls.push({ operation, machine, options })
      return sampleInfo()
    }
    return { kind: 'info', operation, one, all: async () => [sampleInfo()] }
  }
  return {
    kind: 'ensure',
    operation,
    perform: async (machine, { signal, ...options }) => {
      calls.push({ operation, machine, options })
      return sampleResult()
    },
  }
}

async function answer(operation: OperationName, text: string | Uint8Array): Promise<FakeAnswer> {
  calls.length = 0
  return await runFakeModule(taskOf(operation), null, { stdin: () => Readable.from([text]) })
}

/** What is wrong with an answer; empty when nothing is. */
function problemsOf({ status, document }: FakeAnswer): string[] {
  const found: string[] = []
  const { failed, code, msg } = document
  if (status !== (failed === true ? 1 : 0)) found.push(`status ${status} and failed ${failed}`)
  if (failed === true && code !== 'invalid_options') found.push(`code ${code}: ${String(msg).slice(0, 300)}`)
  if (typeof msg !== 'string' || msg === '' || msg.length > LONGEST)
    found.push(`a msg of ${String(msg).length}`)
  if (UNSAFE.test(String(msg))) found.push(`msg holds ${JSON.stringify(UNSAFE.exec(String(msg))?.[0])}`)
  for (const { operation, machine, options } of calls) {
    if (failed === true) found.push('it failed, and did something')
    if (typeof machine !== 'string' || machine === '') found.push(`the machine is ${machine}`)
    try {
      parseOptions(operation, options)
    } catch (error) {
      found.push(`options that are refused were handed on: ${String(error)}`)
    }
  }
  if ('polluted' in {} || 'x' in {}) found.push('every object has a new key')
  return found
}

const DOCUMENTS: Readonly<Record<string, object>> = {
  merge: {
    machine: 'web',
    skip: 1,
    count: 2,
    branches: 'stop',
    from: 'a',
    base_snapshot: false,
    engine: 'auto',
  },
  compact: { machine: 'web', free_space: 'keep', min_reclaim: '5%', lock_timeout: 1, when_busy: 'skip' },
  snapshot: { machine: 'web', snapshot_name: 'Base', snapshot_description: 'x', vboxmanage: '/x' },
  golden: { machine: 'web', skip: '1', digest: 'yes', vbox_user_home: '~/x', _ansible_check_mode: true },
  clone: { machine: 'web', clone_name: 'x', clone_folder: '/x', replace: true, _ansible_diff: true },
  info: { machine: 'web', scan: true, _ansible_version: '2.14' },
}

t.test(
  'whatever is changed in the arguments, a module answers in one object and does only what is checked',
  async t => {
    t.comment(`VBOXMERGE_SEED=${seed}, FUZZ_INPUTS gives ${inputs} inputs`)
    const problems: string[] = []
    const counts = { done: 0, failed: 0 }
    for (let input = 0; input < inputs && problems.length < 3; input++) {
      const random = randomFrom((seed + input) >>> 0)
      const { operation } = random.pick(MODULES)
      const document = DOCUMENTS[operation]
      if (document === undefined) throw new Error(`no document for ${operation}`)
      const [text, what] = mutateJson(JSON.stringify(document), random)
      const clock = cpuClock()
      const given = await answer(operation, text)
      const found = problemsOf(given)
      if (clock() > 5000) found.push('it took more than five seconds')
      if (found.length > 0) problems.push(`seed ${seed + input}: ${found.join('; ')} after ${what}`)
      counts[given.status === 0 ? 'done' : 'failed']++
    }
    t.strictSame(problems, [])
    t.ok(counts.done > inputs / 50 && counts.failed > inputs / 50, JSON.stringify(counts))
    t.comment(`table: module arguments  ${inputs} tried  ${counts.failed} refused  ${counts.done} done`)
  },
)

const flood = Object.fromEntries(Array.from({ length: 100_000 }, (_, index) => [`sk1p_${index}`, 1]))

/** Texts with what must be said of them; undefined where they are fine. */
const EXTREMES: readonly (readonly [name: string, text: string | Uint8Array, says: RegExp | undefined])[] = [
  ['nothing', '', /there is no text/],
  ['a million arrays inside each other', '['.repeat(1_000_000), /as JSON/],
  [
    'a whole deep array',
    `{"machine":"web","skip":${'['.repeat(100_000)}1${']'.repeat(100_000)}}`,
    /skip.*an array/,
  ],
  [
    'a deep object',
    `{"machine":"web","skip":${'{"a":'.repeat(100_000)}1${'}'.repeat(100_000)}}`,
    /skip.*an object/,
  ],
  [
    'a hundred thousand unknown options',
    JSON.stringify({ machine: 'web', ...flood }),
    /Unknown option "sk1p_0"[\s\S]*99980 more/,
  ],
  ['more than is read', `{"machine":"${'x'.repeat(16 * 2 ** 20)}"}`, /more than 16777216 bytes/],
  ['bytes that are no text', Buffer.from([0x7b, 0xff, 0xfe, 0x7d]), /standard input/],
  ['half a pair of surrogates', '{"machine":"web","snapshot_name":"\\ud800"}', /snapshot_name/],
  ['a NUL in a name', '{"machine":"web","snapshot_name":"a\\u0000b"}', /snapshot_name/],
  ['a NUL in a path', '{"machine":"web","vbox_user_home":"/a\\u0000b"}', /vbox_user_home/],
  ['__proto__', '{"machine":"web","__proto__":{"polluted":1}}', /Unknown option "__proto__"/],
  [
    'constructor',
    '{"machine":"web","constructor":{"prototype":{"polluted":1}}}',
    /Unknown option "constructor"/,
  ],
  ['toString', '{"machine":"web","toString":"x"}', /Unknown option "toString"/],
  ['a number out of range', '{"machine":"web","lock_timeout":1e999}', /lock_timeout/],
  ['a key that is there twice', '{"machine":"other","machine":"web"}', undefined],
]

for (const [name, text, says] of EXTREMES) {
  t.test(`the arguments of a module: ${name}`, async t => {
    const operation = /snapshot_name/.test(String(says)) ? 'snapshot' : 'golden'
    const clock = cpuClock()
    const given = await answer(operation, text)
    t.ok(clock() < 10_000, 'it does not take long')
    t.strictSame(problemsOf(given), [])
    if (says === undefined) t.strictSame([given.status, calls[0]?.machine], [0, 'web'], 'the last one counts')
    else t.match(String(given.document.msg), says)
  })
}

t.test('built modules answer to the same by standard input and by file', async t => {
  const folder = await temporaryFolder(t)
  const file = join(folder, 'arguments')
  const home = { HOME: folder, VBOX_USER_HOME: folder }
  for (const [name, text, says] of EXTREMES) {
    if (says === undefined || !/deep object|unknown options|__proto__/.test(name)) continue
    await writeFile(file, text)
    const answers = [
      await runBuilt('vbox_golden_image', { input: text, env: home }),
      await runBuilt('vbox_golden_image', { args: [file], env: home }),
    ]
    for (const { status, document, stderr } of answers) {
      t.strictSame([status, document.failed, document.code, stderr], [1, true, 'invalid_options', ''], name)
      t.match(String(document.msg), says)
    }
  }
  await rm(file)
  for (const name of ['vbox_clone', 'vbox_machine_info']) {
    const machine = `/nowhere/\u0000\u001b[2J\u202e\n/x.vbox`
    const { status, document } = await runBuilt(name, {
      input: { machine, clone_name: undefined },
      env: home,
    })
    t.strictSame([status, document.failed, document.code], [1, true, 'machine_not_found'], name)
    t.notMatch(String(document.msg), UNSAFE)
    t.notMatch(String(document.msg), /\n/)
  }
})
