import t from 'tap'
import { textWidth } from '../../../lib/face/cli/text.ts'
import { runFake } from './fixtures/fake_surroundings.ts'
import { sampleInfo, sampleResult } from './fixtures/samples.ts'

t.test('info shows the machine, its tree, its disks and images, and what could be done', async t => {
  const { status, stdout, stderr } = await runFake(['info', 'web'])
  t.strictSame([status, stderr], [0, ''])
  t.equal(
    stdout,
    [
      'web  11111111-2222-4333-8444-555555555555',
      '  powered off, registered, 13 snapshots, 14 images, 90.1 GiB on the host',
      '  /vms/web/web.vbox',
      '',
      'Snapshots',
      '  newest  2026-01-31 12:00:00 UTC',
      '  * current state (you are here)',
      '',
      'Disks of the current state',
      '  SATA 0:0, 50.0 GiB, read from 2 images',
      '    █▓░·',
      '    █ base image 16.9 GiB   ▓ newer images 6.3 GiB   · nothing 26.9 GiB',
      '    ░ less than half full',
      '',
      'Images',
      '  ON HOST     DATA  ITS OWN  IMAGE',
      '  8.0 GiB  7.5 GiB  7.0 GiB  web.vdi: nothing',
      '',
      'What each command would do',
      '  merge       merge 1 snapshot ("newest")',
      '              gives back 30.0 GiB; takes about 10 min; needs 1.0 GiB of room',
      '  compact     not known without a look into the disks: --scan',
      '  snapshot    nothing to do',
      '  golden      refused: Cannot do it',
      '  Times are reckoned at 100.0 MiB/s, which is a guess.',
      '',
    ].join('\n'),
  )
})

t.test('info says what works on a machine, and what was left half done', async t => {
  const running = {
    operation: 'golden_image',
    step: 'merge /vms/web/web.vdi',
    percent: 41,
    secondsLeft: 5400,
    pid: 77,
    host: 'pc',
    started: '2026-01-31T12:00:00.000Z',
  }
  const at = async (changes: Parameters<typeof sampleInfo>[0]): Promise<string> => {
    const info = async () => sampleInfo(changes)
    const { stdout } = await runFake(['info', 'web'], { operations: { info } })
    return stdout.split('\n').slice(3, 6).join(' ').replace(/ +/g, ' ')
  }
  t.match(
    await at({ running }),
    / RUNNING: vboxmerge \(golden image\) has worked on it since 2026-01-31 12:00:00 UTC, process 77 on pc; it is at: merge \/vms\/web\/web\.vdi, 41% of all done, about 90 min left$/,
  )
  const unknown = { operation: null, step: null, percent: null, secondsLeft: null }
  t.match(
    await at({ running: { ...running, ...unknown } }),
    / RUNNING: vboxmerge has worked on it since .*, process 77 on pc *$/,
  )
  const unfinished = { reason: 'An earlier run was interrupted', help: 'run the same command again' }
  t.match(
    await at({ unfinished }),
    / UNFINISHED: An earlier run was interrupted\. What helps: run the same command again *$/,
  )
})

t.test('no line of info is wider than the terminal, and none breaks in a pipe', async t => {
  const name = 'a snapshot with a long name '.repeat(4)
  const refusal = { code: 'branch_blocked', message: `Cannot merge "web": ${'some long words '.repeat(20)}` }
  const plan = { changed: 'unknown', steps: [], savedBytes: null, estimate: null, refusal } as const
  const plans = { ...sampleInfo().plans, golden_image: plan, merged: plan }
  const info = async () => sampleInfo({ plans, unfinished: { reason: name, help: name } })
  for (const columns of [40, 60, 80, 200]) {
    const { stdout } = await runFake(['info', 'web'], {
      operations: { info },
      terminal: true,
      columns,
      env: { NO_COLOR: '1' },
    })
    const widest = Math.max(...stdout.split('\n').slice(3).map(textWidth))
    t.ok(widest <= Math.min(columns, 120), `${widest} of ${columns} columns`)
    t.match(stdout, /golden {6}refused, as merge is/, 'the same is not told twice')
  }
})

t.test('info shows what else it was asked for, and machines with nothing', async t => {
  const info = async () =>
    sampleInfo({
      machine: { ...sampleResult().machine, registered: false },
      snapshots: [],
      images: [],
      digests: [{ controller: 'SATA', port: 1, device: 0, image: 'x', sha256: 'abc' }],
    })
  const { stdout } = await runFake(['info', 'web'], { operations: { info } })
  t.match(stdout, /powered off, not registered,/)
  t.match(stdout, /\nSnapshots\n {2}none; the current state is in the base images\n/)
  t.match(stdout, /\nImages\n {2}none\n/)
  t.match(stdout, /\nDigests\n {2}sha256 abc {2}SATA 1:0\n$/)
})

t.test('info shows what lies on the disks, and why some of it is kept', async t => {
  const place = { controller: 'SATA', port: 0, device: 0 }
  const GIB = 2 ** 30
  const volumes = [
    {
      ...place,
      where: 'partition 1',
      kind: 'ext4',
      label: 'root',
      size: 40 * GIB,
      used: 8 * GIB,
      free: 32 * GIB,
      reclaimable: 20 * GIB,
      kept: null,
    },
    {
      ...place,
      where: 'partition 2',
      kind: 'luks',
      label: null,
      size: GIB,
      used: null,
      free: null,
      reclaimable: null,
      kept: { code: 'encrypted', reason: 'it is \u202eencrypted' },
    },
  ]
  const { stdout } = await runFake(['info', 'web'], {
    operations: { info: async () => sampleInfo({ volumes }) },
  })
  const table = stdout.slice(stdout.indexOf('Volumes'), stdout.indexOf('\n\nWhat each'))
  t.strictSame(table.split('\n'), [
    'Volumes of the current state',
    '      SIZE     USED      FREE   TO GAIN  VOLUME',
    '  40.0 GiB  8.0 GiB  32.0 GiB  20.0 GiB  SATA 0:0, partition 1: ext4 "root"',
    '   1.0 GiB        ?         ?      kept  SATA 0:0, partition 2: luks',
    '    kept: it is \\u202eencrypted',
  ])
})

t.test('an image elsewhere is shown with its whole path, and with who uses it', async t => {
  const [image] = sampleInfo().images
  if (image === undefined) throw new Error('the sample has no image')
  const images = [
    { ...image, path: '/disks/other.vdi', attachedTo: ['newest', 'current state'] },
    { ...image, path: '/vms/web/Snapshots/{1}.vdi', variant: 'differencing', type: null, ownBytes: null },
    { ...image, path: '/vms/web/old.vmdk', format: 'VMDK', variant: 'unknown', type: 'Immutable' as const },
  ]
  const { stdout } = await runFake(['info', 'web'], {
    operations: { info: async () => sampleInfo({ images }) },
  })
  t.match(stdout, / 7\.0 GiB {2}\/disks\/other\.vdi: newest, current state\n/)
  t.match(stdout, / 7\.5 GiB {11}Snapshots\/\{1\}\.vdi: nothing\n/)
  t.match(stdout, / old\.vmdk \(VMDK unknown immutable\): nothing\n/)
})
