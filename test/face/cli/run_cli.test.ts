import t from 'tap'
import { type ErrorCode, EXIT_STATUS, VboxmergeError } from '../../../lib/errors.ts'
import type { Operations } from '../../../lib/face/cli/operations.ts'
import { runFake } from './fixtures/fake_surroundings.ts'
import { ESTIMATE, FORECAST, SUMMARY, sampleInfo, sampleReport, sampleResult } from './fixtures/samples.ts'

const MERGE_STEP = {
  kind: 'merge',
  snapshots: [
    { id: 'b', name: 'second' },
    { id: 'a', name: 'first' },
  ],
  disks: [{ target: 'x', path: '/vms/web/web.vdi', folded: ['y', 'z'] }],
  forecast: FORECAST,
} as const

function failing(error: unknown): Partial<Operations> {
  return {
    merge: async () => {
      throw error
    },
  }
}

t.test('each failure has its exit status and its message on stderr', async t => {
  for (const [code, expected] of Object.entries(EXIT_STATUS)) {
    const error = new VboxmergeError(code as ErrorCode, `Cannot merge "web": ${code}`)
    const { status, stdout, stderr } = await runFake(['merge', 'web'], { operations: failing(error) })
    t.strictSame([status, stdout, stderr], [expected, '', `error: Cannot merge "web": ${code}\n`])
  }
})

t.test('an error that no one foresaw is a failure too', async t => {
  const thrown = await runFake(['merge', 'web'], {
    operations: failing(new Error('EACCES: permission denied')),
  })
  t.strictSame([thrown.status, thrown.stderr], [1, 'error: Cannot go on: EACCES: permission denied\n'])
  const odd = await runFake(['merge', 'web'], { operations: failing('a string') })
  t.strictSame([odd.status, odd.stderr], [1, 'error: Cannot go on: a string\n'])
})

t.test('a run tells on stdout what it did', async t => {
  const result = sampleResult({ changed: true, steps: [MERGE_STEP] })
  const { status, stdout, stderr } = await runFake(['merge', 'web'], {
    operations: { merge: async () => result },
  })
  t.equal(status, 0)
  t.equal(stderr, '')
  t.equal(
    stdout,
    [
      'web (direct engine: it can carry out the whole plan)',
      '  merged 2 snapshots into web.vdi ("second", "first")',
      '90.1 GiB → 46.0 GiB on the host (44.1 GiB given back), 13 snapshots → 0, 14',
      '  images → 1',
      '',
    ].join('\n'),
  )
})

t.test('a dry run reads like a plan that one can agree to', async t => {
  const after = { ...SUMMARY, snapshots: 1, images: 2, bytes: 46 * 1024 ** 3 }
  const steps = [MERGE_STEP, { kind: 'snapshot', name: 'Base', description: '', forecast: FORECAST } as const]
  const result = sampleResult({ changed: true, steps, after, estimate: ESTIMATE })
  const args = ['golden', "Jo's web", '-n', '--branches=stop', '--dry-run']
  const { stdout } = await runFake(args, { operations: { golden: async () => result } })
  t.equal(
    stdout,
    [
      'Plan for web (dry run)',
      '  1. merge 2 snapshots into web.vdi:',
      '       "second"',
      '       "first"',
      '  2. take the snapshot "Base"',
      '',
      'Kept      the current state, byte for byte',
      'Lost      the way back to 2 snapshots; their data stay, as far as the current',
      '          state has them',
      'Size      90.1 GiB → 46.0 GiB on the host (44.1 GiB given back), 13 snapshots →',
      '          1, 14 images → 2',
      'Room      1.0 GiB while it works, in /vms/web: there is room',
      'Time      about 10 min, at 100.0 MiB/s, which is a guess',
      'Engine    direct: it can carry out the whole plan',
      '',
      'Nothing was changed. To carry this out:',
      String.raw`  vboxmerge golden 'Jo'\''s web' --branches=stop`,
      '',
    ].join('\n'),
  )
})

t.test('a plan says what would be lost, and what is not known', async t => {
  const snapshot = { id: 'a', name: 'old' }
  const steps = [
    { kind: 'restore', snapshot, forecast: FORECAST },
    { kind: 'discard', what: 'branches', snapshots: [snapshot], forecast: FORECAST },
    { kind: 'discard', what: 'saved_state', snapshots: [], forecast: FORECAST },
    { kind: 'compact', images: [], forecast: FORECAST },
  ] as const
  const after = { ...SUMMARY, bytes: SUMMARY.bytes + 1024 ** 3, exact: false }
  const space = [{ folder: '/vms', neededBytes: 2 ** 30, missingBytes: 2 ** 20 }]
  const estimate = { ...ESTIMATE, seconds: null, space }
  const result = sampleResult({ changed: true, steps, after, estimate })
  const { stdout } = await runFake(['golden', 'web', '--check'], {
    operations: { golden: async () => result },
    env: { LANG: 'C' },
  })
  for (const line of [
    /\nKept {6}the state of the snapshot "old", but for blocks that hold nothing the\n {10}guest needs\n/,
    /\n {10}13 snapshots below it\n/,
    /\nLost {6}what is in the current state and not in "old"\n {10}1 snapshot of other branches, with their data\n/,
    /\n {10}the saved state: what the guest had in memory\n/,
    /\nSize {6}90.1 GiB -> at most 91.1 GiB on the host \(1.0 GiB more than before\)/,
    /\nRoom {6}1.0 GiB while it works, in \/vms: 1.0 MiB too little is free there\n/,
    /\nTime {6}not known beforehand where VirtualBox does the work\n/,
    /To carry this out:\n {2}vboxmerge golden web\n$/,
  ]) {
    t.match(stdout, line)
  }
  t.match(stdout, /^\p{ASCII}+$/u, 'in a locale without UTF-8')
})

t.test('a machine that is already so has nothing to do', async t => {
  const { status, stdout } = await runFake(['merge', 'web'])
  t.equal(stdout, 'web: nothing to do (13 snapshots, 14 images, 90.1 GiB on the host)\n')
  t.equal(status, 0)
})

t.test('a run says where the state before it is kept, and undo takes that folder', async t => {
  const steps = [{ kind: 'snapshot', name: 'Base', description: '', forecast: FORECAST }] as const
  const result = sampleResult({ steps, backup: '/srv/b/web-1' })
  const args = ['snapshot', 'web', '--backup', '/srv/b', '--verify=full']
  const { stdout, calls } = await runFake(args, { operations: { snapshot: async () => result } })
  t.match(stdout, /^backup: \/srv\/b\/web-1 \(to go back: vboxmerge undo "\/srv\/b\/web-1"\)$/m)
  t.strictSame(calls[0]?.options, { backup: '/srv/b', verify: 'full' })
  const undone = await runFake(['undo', '/srv/b/web-1', '--discard-changes', '-n'])
  t.strictSame(undone.calls, [
    { operation: 'undo', machine: '/srv/b/web-1', options: { discardChanges: true, check: true } },
  ])
  t.match((await runFake(['undo'])).stderr, /missing FOLDER/)
  t.match((await runFake(['clone', 'web', '--backup', '/srv/b'])).stderr, /unknown option '--backup'/)
  t.strictSame((await runFake(['recover', 'web'])).calls, [
    { operation: 'recover', machine: 'web', options: {} },
  ])
})

t.test('a clone that is as wanted is named with its place and its size', async t => {
  const settingsFile = '/vms/c/c.vbox'
  const result = sampleResult({ clone: { name: 'c', id: null, settingsFile, registered: false } })
  const { stdout } = await runFake(['clone', 'web'], { operations: { clone: async () => result } })
  t.equal(
    stdout,
    'web: nothing to do, the clone is as wanted: /vms/c/c.vbox (0 snapshots, 1 image, 46.0 GiB on the host)\n',
  )
})

t.test('a machine that was left alone says why', async t => {
  const result = sampleResult({ skipped: 'the machine is running', steps: [MERGE_STEP] })
  const { status, stdout } = await runFake(['merge', 'web'], { operations: { merge: async () => result } })
  t.strictSame([status, stdout], [0, 'web: skipped: the machine is running\n'])
})

t.test('digests are part of the text', async t => {
  const digests = [{ controller: 'SATA', port: 0, device: 0, image: 'x', sha256: 'abc' }]
  const { stdout } = await runFake(['merge', 'web', '--digest'], {
    operations: { merge: async () => sampleResult({ digests }) },
  })
  t.match(stdout, /\nsha256 abc {2}SATA 0:0\n$/)
})

t.test('warnings go to stderr', async t => {
  const warnings = [{ code: 'free_space_not_examined', message: 'The free space was not examined' }]
  const operations = { merge: async () => sampleResult({ warnings }) }
  t.equal(
    (await runFake(['merge', 'web'], { operations })).stderr,
    'warning: The free space was not examined\n',
  )
  t.equal((await runFake(['merge', 'web', '--json'], { operations })).stderr.includes('warning: '), true)
  const info = { info: async () => sampleInfo({ warnings }), list: async () => [sampleInfo({ warnings })] }
  t.match((await runFake(['info', 'web'], { operations: info })).stderr, /^warning: /)
  t.match((await runFake(['list'], { operations: info })).stderr, /^warning: /)
})

t.test('-q prints nothing but errors', async t => {
  const merge: Operations['merge'] = async (_machine, { onProgress }) => {
    onProgress?.({ phase: 'merge', subject: 'web', done: 1, total: 2, unit: 'bytes' })
    return sampleResult({ changed: true, steps: [MERGE_STEP], warnings: [{ code: 'x', message: 'y' }] })
  }
  for (const terminal of [true, false]) {
    const quiet = await runFake(['merge', 'web', '-q'], { operations: { merge }, terminal })
    t.strictSame([quiet.status, quiet.stdout, quiet.stderr], [0, '', ''])
  }
  const error = new VboxmergeError('no_space', 'Cannot merge "web": no space')
  const failed = await runFake(['merge', 'web', '-q'], { operations: failing(error) })
  t.strictSame([failed.status, failed.stderr], [3, 'error: Cannot merge "web": no space\n'])
  const usage = await runFake(['merge', '-q'])
  t.match(usage, { status: 2, stderr: /^error: / })
})

t.test('progress of long work is told on stderr', async t => {
  let time = 0
  const merge: Operations['merge'] = async (_machine, { onProgress }) => {
    for (time of [0, 4000])
      onProgress?.({ phase: 'merge', subject: 'web.vdi', done: 1, total: 2, unit: 'bytes' })
    return sampleResult()
  }
  const now = () => time
  const piped = await runFake(['merge', 'web'], { operations: { merge }, now })
  t.equal(piped.stderr, 'merge web.vdi: 50%\n')
  t.match(piped.stdout, /^web: nothing to do/)
  const shown = await runFake(['merge', 'web'], {
    operations: { merge },
    now,
    terminal: true,
    env: { NO_COLOR: '1' },
  })
  t.equal(
    shown.stderr,
    '\rmerge web.vdi  [###########...........]   50%\u001b[K\r\u001b[K',
    'a bar that is gone at the end',
  )
  const dumb = await runFake(['merge', 'web'], {
    operations: { merge },
    now,
    terminal: true,
    env: { TERM: 'dumb' },
  })
  t.equal(dumb.stderr, 'merge web.vdi: 50%\n')
  const json = await runFake(['merge', 'web', '--json'], { operations: { merge }, now, terminal: true })
  t.equal(json.stderr, '')
})

t.test('messages name options as they are typed', async t => {
  const text = 'Cannot merge "from=x": choose branches=stop or discardSavedState=true, or raise lockTimeout'
  const error = new VboxmergeError('branch_blocked', text)
  const { stderr } = await runFake(['merge', 'web'], { operations: failing(error) })
  t.equal(
    stderr,
    'error: Cannot merge "from=x": choose --branches=stop or --discard-saved-state, or raise --lock-timeout\n',
  )
})

t.test('colours are for terminals that want them', async t => {
  const run = async (terminal: boolean, env: Record<string, string>) => {
    const { stdout } = await runFake(['merge', 'web'], { terminal, env })
    const { stderr } = await runFake(['merge'], { terminal, env })
    return [stdout.includes('\u001b[1m'), stderr.includes('\u001b[31m')]
  }
  t.strictSame(await run(true, {}), [true, true])
  t.strictSame(await run(true, { NO_COLOR: '1' }), [false, false])
  t.strictSame(await run(true, { NO_COLOR: '' }), [true, true], 'an empty NO_COLOR does not count')
  t.strictSame(await run(false, {}), [false, false])
})

t.test('names cannot play tricks on the terminal', async t => {
  const machine = { ...sampleResult().machine, name: 'evil\u001b[2Jname' }
  const error = new VboxmergeError('no_space', 'Cannot merge "e\u001bvil\r": x\nsecond line')
  const merge = async () => sampleResult({ machine, warnings: [{ code: 'x', message: 'a\u0007b' }] })
  const { stdout, stderr } = await runFake(['merge', 'web'], { operations: { merge } })
  t.match(stdout, /^evil\\x1b\[2Jname: nothing/)
  t.equal(stderr, 'warning: a\\x07b\n')
  const failed = await runFake(['merge', 'web'], { operations: failing(error) })
  t.equal(failed.stderr, 'error: Cannot merge "e\\x1bvil\\x0d": x\nsecond line\n')
})

t.test('the first stop signal asks the operation to stop, and the run exits 130', async t => {
  let raise: (name: string) => void = () => {}
  const merge: Operations['merge'] = (_machine, { signal }) =>
    new Promise((_resolve, reject) => {
      signal?.addEventListener('abort', () => reject(signal.reason))
      raise('SIGTERM')
    })
  const onStart = (raiser: (name: string) => void): void => {
    raise = raiser
  }
  const { status, stdout, stderr, exits } = await runFake(['merge', 'web'], {
    operations: { merge },
    onStart,
  })
  t.equal(status, 130)
  t.equal(stdout, '')
  t.match(
    stderr,
    /^stopping after the current block or step; \^C again exits at once\nerror: Cannot finish: interrupted by SIGTERM; nothing was changed\n/,
  )
  t.strictSame(exits, [], 'one signal never ends the process by force')
  const json = await runFake(['merge', 'web', '--json'], { operations: { merge }, onStart })
  t.match(JSON.parse(json.stdout), { failed: true, code: 'interrupted', changed: false })
})

t.test('an operation that stops with an error of its own is interrupted all the same', async t => {
  let raise: (name: string) => void = () => {}
  const merge: Operations['merge'] = async () => {
    raise('SIGINT')
    throw new DOMException('This operation was aborted', 'AbortError')
  }
  const { status, stderr } = await runFake(['merge', 'web', '-q'], {
    operations: { merge },
    onStart: raiser => {
      raise = raiser
    },
  })
  t.equal(status, 130)
  t.match(stderr, /^error: Cannot finish: interrupted by SIGINT/)
})

t.test('the second stop signal exits at once', async t => {
  let raise: (name: string) => void = () => {}
  const merge: Operations['merge'] = async () => {
    raise('SIGINT')
    raise('SIGINT')
    return sampleResult()
  }
  const { exits } = await runFake(['merge', 'web'], {
    operations: { merge },
    onStart: raiser => {
      raise = raiser
    },
  })
  t.strictSame(exits, [130])
})

t.test('an operation that came to its end in spite of a signal has succeeded', async t => {
  let raise: (name: string) => void = () => {}
  const merge: Operations['merge'] = async () => {
    raise('SIGINT')
    return sampleResult()
  }
  const { status } = await runFake(['merge', 'web'], {
    operations: { merge },
    onStart: raiser => {
      raise = raiser
    },
  })
  t.equal(status, 0)
})

t.test('report says where the page is, and prints it where - is asked for', async t => {
  const written = await runFake(['report', 'web', '--output', 'x.html', '--scan'])
  t.strictSame(
    [written.status, written.stdout, written.stderr],
    [0, 'web: the report is in /pages/web.html\n', ''],
  )
  t.match(written.calls, [{ operation: 'report', machine: 'web', options: { output: 'x.html', scan: true } }])
  const report = async () => sampleReport({ file: null })
  const printed = await runFake(['report', 'web', '--output', '-'], { operations: { report } })
  t.equal(printed.stdout, '<p>The page.</p>\n')
  const { stdout } = await runFake(['report', 'web', '--json'])
  t.match(JSON.parse(stdout), {
    failed: false,
    report: '/pages/web.html',
    machines: [{ machine: { name: 'web' } }],
  })
})
