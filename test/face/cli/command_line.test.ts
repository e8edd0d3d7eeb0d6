import t from 'tap'
import { commandLineOptions, longSpellings } from '../../../lib/face/cli/argument_parser.ts'
import { BARE_COMMAND, COMMANDS } from '../../../lib/face/cli/commands.ts'
import type { OptionDescription } from '../../../lib/options/describe_options.ts'
import { convertName } from '../../../lib/options/names.ts'
import { type Call, runFake } from './fixtures/fake_surroundings.ts'

/** Runs a command line that must reach exactly one operation. */
async function callOf(...args: string[]): Promise<Call> {
  const { calls, status, stderr } = await runFake(args)
  const [call, ...others] = calls
  if (call === undefined || others.length > 0 || status !== 0) {
    throw new Error(`${args.join(' ')}: ${calls.length} calls, exit status ${status}: ${stderr}`)
  }
  return call
}

/** A text to give, and the value that is to arrive. */
function sampleOf(option: OptionDescription): [text: string | undefined, value: unknown] {
  switch (option.kind) {
    case 'boolean':
      return [undefined, true]
    case 'number':
      return ['3', 3]
    case 'choice':
      return [option.choices.at(-1), option.choices.at(-1)]
    case 'amount':
      return ['5%', '5%']
    default:
      return ['some name', 'some name']
  }
}

for (const command of [BARE_COMMAND, ...COMMANDS]) {
  t.test(`every option of ${command.word ?? 'the bare form'} reaches it, in every spelling`, async t => {
    const head = [command.word ?? [], command.takesMachine ? 'web' : []].flat()
    const options = commandLineOptions(command).filter(option => option.group !== 'output')
    for (const option of options) {
      const [text, value] = sampleOf(option)
      const needed = option.needs === undefined ? [] : [`--${option.needs}`]
      const short = option.spellings?.filter(spelling => !spelling.startsWith('--')) ?? []
      for (const flag of [`--${convertName(option.name, 'kebab')}`, ...longSpellings(option), ...short]) {
        const ways = text === undefined ? [[flag]] : [[flag, text], [`${flag}=${text}`]]
        for (const way of ways) {
          const expected = { ...(option.needs && { [option.needs]: true }), [option.name]: value }
          t.strictSame((await callOf(...head, ...needed, ...way)).options, expected, way.join(' '))
          t.strictSame(
            (await callOf(...needed, ...way, ...head)).options,
            expected,
            `${way.join(' ')} in front`,
          )
        }
      }
    }
  })
}

t.test('each command reaches its operation with the machine', async t => {
  for (const command of COMMANDS) {
    const call = await callOf(...[command.word ?? [], command.takesMachine ? 'My Machine' : []].flat())
    t.strictSame(call, {
      operation: command.operation,
      machine: command.takesMachine ? 'My Machine' : undefined,
      options: {},
    })
  }
})

t.test('the options of 2010 work as they did', async t => {
  const cases: [string[], object][] = [
    [['My Machine'], {}],
    [['--skip=2', 'My Machine'], { skip: 2 }],
    [['--skip', '2', 'My Machine'], { skip: 2 }],
    [['--count=3', 'My Machine'], { count: 3 }],
    [['--count', '3', 'My Machine'], { count: 3 }],
    [['-n', 'My Machine'], { check: true }],
    [['--dryrun', 'My Machine'], { check: true }],
    [['--compact', '--snapshot', 'My Machine'], { compact: true, snapshot: true }],
    [['My Machine', '--compact'], { compact: true }],
    [['--discard-currentstate', 'My Machine'], { discardCurrentState: true }],
    [['-q', 'My Machine'], {}],
    [['--quiet', 'My Machine'], {}],
    [['-qn', 'My Machine'], { check: true }],
  ]
  for (const [args, options] of cases) {
    t.strictSame(
      await callOf(...args),
      { operation: 'prepare', machine: 'My Machine', options },
      args.join(' '),
    )
  }
})

t.test('the bare form prints version and help as in 2010', async t => {
  t.match(await runFake(['--version']), { status: 0, stdout: 'vboxmerge 1.2.3\n', stderr: '', calls: [] })
  for (const args of [[], ['--help'], ['-h'], ['help'], ['--help', '--json']]) {
    const { status, stdout, stderr, calls } = await runFake(args)
    t.match(stdout, /^Usage: vboxmerge MACHINE \[OPTIONS\]\n/, `vboxmerge ${args.join(' ')}`)
    t.strictSame([status, stderr, calls], [0, '', []])
  }
})

t.test('a command has a help of its own', async t => {
  for (const args of [
    ['merge', '--help'],
    ['merge', '-h'],
    ['help', 'merge'],
    ['merge', 'web', '--help'],
    ['-h', 'merge'],
  ]) {
    const { status, stdout, calls } = await runFake(args)
    t.match(stdout, /^Usage: vboxmerge merge MACHINE \[OPTIONS\]\n/, args.join(' '))
    t.strictSame([status, calls], [0, []])
  }
})

t.test('the first word that is a command is one, options in front or not', async t => {
  t.match(await callOf('-n', 'merge', 'web'), {
    operation: 'merge',
    machine: 'web',
    options: { check: true },
  })
  t.match(await callOf('--skip', '2', 'merge', 'web'), { operation: 'merge', options: { skip: 2 } })
  t.match(await callOf('--from', 'info', 'web'), {
    operation: 'prepare',
    machine: 'web',
    options: { from: 'info' },
  })
  t.match(await callOf('merge', 'info'), { operation: 'merge', machine: 'info' })
})

t.test('behind -- a command word names a machine', async t => {
  t.match(await callOf('--', 'info'), { operation: 'prepare', machine: 'info' })
  t.match(await callOf('-n', '--', 'merge'), {
    operation: 'prepare',
    machine: 'merge',
    options: { check: true },
  })
  t.match(await callOf('merge', '--', '--json'), { operation: 'merge', machine: '--json', options: {} })
  t.match(await callOf('--', 'help'), { operation: 'prepare', machine: 'help' })
})

t.test('no base snapshot can be asked for', async t => {
  t.strictSame((await callOf('merge', 'web', '--no-base-snapshot')).options, { baseSnapshot: false })
  t.strictSame((await callOf('merge', 'web', '--base-snapshot=Clean')).options, { baseSnapshot: 'Clean' })
})

t.test('defaults are left to the operation', async t => {
  t.strictSame(
    (await callOf('golden', 'web')).options,
    {},
    'so that it can tell an asked for discard from the default',
  )
  t.strictSame((await callOf('golden', 'web', '--free-space=discard')).options, { freeSpace: 'discard' })
})

t.test('a command line that cannot be meant exits 2, says why, and calls nothing', async t => {
  const cases: [string[], RegExp][] = [
    [['web', '--frobnicate'], /unknown option '--frobnicate'\nTry: vboxmerge --help\n/],
    [['merge', 'web', '--brnches=stop'], /unknown option '--brnches=stop'; did you mean --branches\?\nTry:/],
    [['merge', 'web', '--brnches', 'stop'], /; did you mean --branches\?\nTry: vboxmerge merge --help/],
    [['merge', 'web', '--compact'], /unknown option '--compact'/],
    [['info', 'web', '--skip=1'], /unknown option '--skip=1'; it belongs to vboxmerge merge\n/],
    [['completion', 'fish'], /"fish" is no shell that is known; give bash\nTry: vboxmerge completion --help/],
    [['web', '-x'], /unknown option '-x'/],
    [['merge'], /missing MACHINE/],
    [['merge', ''], /missing MACHINE/],
    [['--compact'], /missing MACHINE/],
    [['My', 'Machine'], /unexpected argument "Machine"; a name with spaces needs quotes/],
    [['mereg', 'web'], /unknown command "mereg"; did you mean merge\?/],
    [['web', '--skip'], /option '--skip <N>' argument missing/],
    [['web', '--skip=two'], /Option --skip is "two"; give a whole number from 0 on/],
    [['web', '--skip', '-1'], /Option --skip is -1; give a whole number/],
    [['web', '--branches=maybe'], /Option --branches is "maybe"; give refuse, stop or discard/],
    [['web', '--min-reclaim=1'], /Option --min-reclaim does nothing without --compact/],
    [['compact', 'web', '--min-reclaim=lots'], /Option --min-reclaim is "lots"; give a number of bytes/],
    [['web', '--__proto__=1'], /unknown option '--__proto__=1'/],
    [['web', '--constructor'], /unknown option '--constructor'/],
  ]
  for (const [args, expected] of cases) {
    const { status, stdout, stderr, calls } = await runFake(args)
    t.match(stderr, expected, args.join(' '))
    t.match(stderr, /^error: /)
    t.strictSame([status, stdout, calls], [2, '', []], args.join(' '))
  }
})

t.test('several wrong values are told at once', async t => {
  const { stderr } = await runFake(['merge', 'web', '--skip=x', '--branches=y'])
  t.equal(stderr.trimEnd().split('\n').length, 2)
})

t.test('a mistyped command alone is looked up as a machine, and then suggested', async t => {
  const { VboxmergeError } = await import('../../../lib/errors.ts')
  const prepare = async () => {
    throw new VboxmergeError('machine_not_found', 'Cannot find "lst"')
  }
  const { status, stderr } = await runFake(['lst'], { operations: { prepare } })
  t.equal(stderr, 'error: Cannot find "lst"\nDid you mean the command list?\n')
  t.equal(status, 3)
  const other = await runFake(['webserver'], { operations: { prepare } })
  t.equal(other.stderr, 'error: Cannot find "lst"\n', 'a name that is like no command gets no hint')
})

t.test('list takes folders, and completion is a command too', async t => {
  t.strictSame(await callOf('list', 'a b', '/vms', '--scan'), {
    operation: 'list',
    machine: undefined,
    options: { folders: ['a b', '/vms'], scan: true },
  })
  t.match((await runFake(['completion'])).stdout, /^Usage: vboxmerge completion bash\n/)
  t.match((await runFake(['help', 'completion'])).stdout, /^Usage: vboxmerge completion bash\n/)
  t.match(await callOf('--', 'completion'), { operation: 'prepare', machine: 'completion' })
})
