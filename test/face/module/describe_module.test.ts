import { readFile } from 'node:fs/promises'
import t, { type Test } from 'tap'
import { parse } from 'yaml'
import { VboxmergeError } from '../../../lib/errors.ts'
import { describeModule } from '../../../lib/face/module/describe_module.ts'
import { ensureDocument, failureDocument, infoDocument } from '../../../lib/face/module/module_document.ts'
import { MODULES } from '../../../lib/face/module/modules.ts'
import type { ReturnValue } from '../../../lib/face/module/returns.ts'
import { sampleInfo, sampleResult } from '../cli/fixtures/samples.ts'
import { moduleNames } from './fixtures/built_module.ts'

const described = MODULES.map(describeModule)

function optionOf(module: string, option: string): object | undefined {
  return described.find(({ name }) => name === module)?.documentation.options[option]
}

t.test('every module is described, and each that is described is there', async t => {
  t.strictSame(MODULES.map(({ name }) => name).sort(), [...moduleNames].sort())
})

t.test('the group of modules that share defaults has all of them', async t => {
  const text = await readFile(new URL('../../../meta/runtime.yml', import.meta.url), 'utf8')
  const { action_groups } = parse(text)
  t.strictSame(action_groups, { all: [...moduleNames].sort() })
})

t.test('options have the types that Ansible knows', async t => {
  t.match(optionOf('vbox_merged', 'skip'), { type: 'int', default: 0 })
  t.match(optionOf('vbox_merged', 'lock_timeout'), { type: 'float', default: 60 })
  t.match(optionOf('vbox_merged', 'branches'), { type: 'str', choices: ['refuse', 'stop', 'discard'] })
  t.match(optionOf('vbox_merged', 'base_snapshot'), { type: 'raw', default: 'Base' })
  t.match(optionOf('vbox_merged', 'vboxmanage'), { type: 'path' })
  t.match(optionOf('vbox_merged', 'digest'), { type: 'bool', default: false })
  t.match(optionOf('vbox_compacted', 'min_reclaim'), {
    type: 'raw',
    description: [/^The least .*\.$/, 'Default is one block.'],
  })
  t.match(optionOf('vbox_merged', 'machine'), { required: true })
  t.notOk('required' in (optionOf('vbox_machine_info', 'machine') ?? {}))
  for (const option of ['check', 'signal', '$', 'on_progress'])
    t.equal(optionOf('vbox_merged', option), undefined)
})

t.test('what is said of results is what they hold', async t => {
  const ensured = { operation: 'golden', check: false, diff: true } as const
  const success = { ensure: ensureDocument(sampleResult(), ensured), info: infoDocument([sampleInfo()]) }
  const failure = failureDocument(new VboxmergeError('no_space', 'Cannot do it'))
  for (const { name, returns } of described) {
    const isInfo = name === 'vbox_machine_info'
    const document = isInfo ? success.info : success.ensure
    t.strictSame(
      Object.keys(returns).sort(),
      [...new Set([...Object.keys(document), ...Object.keys(failure)])].sort(),
    )
    for (const [key, value] of Object.entries(returns)) sameKeys(t, document[key], value, `${name}: ${key}`)
  }
})

function sameKeys(t: Test, data: unknown, value: ReturnValue, where: string): void {
  const { contains } = value
  const item = Array.isArray(data) ? data[0] : data
  if (contains === undefined || typeof item !== 'object' || item === null) return
  const isByName = '<operation>' in contains
  const known = isByName ? Object.keys(item).map(() => '<operation>') : Object.keys(item)
  for (const key of known) t.ok(key in contains, `${where}.${key} is described`)
  for (const [key, below] of Object.entries(contains)) {
    if (!isByName) t.ok(key in item, `${where}.${key} is there`)
    const held = isByName ? Object.values(item)[0] : (item as Record<string, unknown>)[key]
    sameKeys(t, held, below, `${where}.${key}`)
  }
}
