import t from 'tap'
import { describeOptions, wantedValue } from '../../lib/options/describe_options.ts'
import type { OperationName } from '../../lib/options/operation_options.ts'
import { OPTION_GROUPS } from '../../lib/options/option_meta.ts'

const OPERATIONS: OperationName[] = [
  'merge',
  'compact',
  'snapshot',
  'golden',
  'clone',
  'prepare',
  'info',
  'list',
]

function names(operation: OperationName, group: string): string[] {
  return describeOptions(operation)
    .filter(option => option.group === group)
    .map(option => option.name)
}

function find(operation: OperationName, name: string) {
  const option = describeOptions(operation).find(option => option.name === name)
  if (option === undefined) throw new Error(`${operation} has no option ${name}`)
  return option
}

t.test('each operation has the options of its groups', async t => {
  const merging = ['skip', 'count', 'discardCurrentState', 'branches', 'from', 'baseSnapshot']
  t.strictSame(names('merge', 'merging'), merging)
  t.strictSame(names('merge', 'compacting'), [])
  t.strictSame(names('compact', 'compacting'), ['freeSpace', 'minReclaim'])
  t.strictSame(names('compact', 'merging'), [])
  t.strictSame(names('snapshot', 'base snapshot'), ['snapshotName', 'snapshotDescription'])
  t.strictSame(names('golden', 'merging'), merging)
  t.strictSame(names('golden', 'compacting'), ['freeSpace', 'minReclaim'])
  t.strictSame(names('prepare', 'compacting'), ['compact', 'freeSpace', 'minReclaim'])
  t.strictSame(names('prepare', 'base snapshot'), ['snapshot', 'snapshotName', 'snapshotDescription'])
  t.strictSame(names('info', 'inspection'), ['scan'])
  t.strictSame(names('info', 'common'), ['vboxmanage', 'vboxUserHome', 'digest', 'onProgress', 'signal', '$'])
})

t.test('an option tells its kind, allowed values and default', async t => {
  t.match(find('merge', 'branches'), {
    kind: 'choice',
    choices: ['refuse', 'stop', 'discard'],
    default: 'refuse',
  })
  t.match(find('merge', 'skip'), { kind: 'number', choices: [], default: 0 })
  t.match(find('merge', 'count'), { kind: 'number', default: undefined, defaultText: 'all' })
  t.match(find('merge', 'baseSnapshot'), { kind: 'text_or_false', default: 'Base' })
  t.match(find('golden', 'baseSnapshot'), { kind: 'text_or_false', default: undefined })
  t.match(find('merge', 'from'), { kind: 'text' })
  t.match(find('compact', 'freeSpace'), { kind: 'choice', choices: ['discard', 'keep'], default: 'discard' })
  t.match(find('compact', 'minReclaim'), { kind: 'amount' })
  t.match(find('merge', 'check'), {
    kind: 'boolean',
    default: false,
    spellings: ['-n', '--dryrun', '--dry-run'],
  })
  t.match(find('merge', 'onProgress'), { kind: 'code', codeOnly: true })
  t.match(find('info', '$'), { kind: 'code', codeOnly: true })
})

t.test('the bare form knows which options do nothing alone', async t => {
  t.equal(find('prepare', 'minReclaim').needs, 'compact')
  t.equal(find('prepare', 'freeSpace').needs, undefined)
  t.equal(find('prepare', 'snapshotName').needs, 'snapshot')
  t.equal(find('prepare', 'compact').needs, undefined)
  t.equal(find('golden', 'freeSpace').needs, undefined)
})

t.test('every option is described in a known group, and says what it wants', async t => {
  for (const operation of OPERATIONS) {
    for (const option of describeOptions(operation)) {
      t.match(option.description, /^[a-zV$].*[^.]$/, `${operation} ${option.name}`)
      t.ok(OPTION_GROUPS.includes(option.group))
      t.equal(option.kind === 'code', option.codeOnly === true, 'only code cannot be written down')
      if (option.name !== '$')
        t.not(wantedValue(option), 'another value', `${option.name} says what it wants`)
    }
  }
})
