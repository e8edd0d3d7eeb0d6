import t from 'tap'
import { renderList } from '../../../lib/face/cli/render_info.ts'
import { runFake } from './fixtures/fake_surroundings.ts'
import { SUMMARY, sampleInfo, sampleResult } from './fixtures/samples.ts'

t.test('info shows the machine, its tree, its images and what could be done', async t => {
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
      '  * current state',
      '',
      'Images',
      '  ON HOST  ALLOCATED  CAPACITY  IMAGE',
      '  8.0 GiB    7.5 GiB  50.0 GiB  web.vdi (VDI dynamic normal)',
      '',
      'What each command would do',
      '  merge     would merge 1 snapshot:',
      '              "newest"',
      '  compact   unknown without a look into the disks: --scan',
      '  snapshot  nothing to do',
      '  golden    refused: Cannot do it',
      '',
    ].join('\n'),
  )
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
  t.match(stdout, /\nSnapshots\n {2}none\n/)
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
    '      SIZE     USED   TO GAIN  VOLUME',
    '  40.0 GiB  8.0 GiB  20.0 GiB  SATA 0:0, partition 1: ext4 "root"',
    '   1.0 GiB        ?      kept  SATA 0:0, partition 2: luks',
    '    kept: it is \\u202eencrypted',
  ])
})

t.test('an image elsewhere is shown with its whole path, and with who uses it', async t => {
  const [image] = sampleInfo().images
  if (image === undefined) throw new Error('the sample has no image')
  const images = [
    { ...image, path: '/disks/other.vdi', attachedTo: ['newest', 'current state'] },
    { ...image, path: '/vms/web/Snapshots/{1}.vdi', variant: 'differencing', type: null },
  ]
  const { stdout } = await runFake(['info', 'web'], {
    operations: { info: async () => sampleInfo({ images }) },
  })
  t.match(stdout, / \/disks\/other\.vdi \(VDI dynamic normal; attached to newest, current state\)\n/)
  t.match(stdout, / Snapshots\/\{1\}\.vdi \(VDI differencing\)\n/)
})

t.test('list shows a line a machine', async t => {
  const machine = { ...sampleResult().machine, name: 'db\u001b' }
  const small = sampleInfo({
    machine,
    state: 'running',
    summary: { ...SUMMARY, snapshots: 0, images: 1, bytes: 512 },
  })
  const { stdout } = await runFake(['list'], { operations: { list: async () => [sampleInfo(), small] } })
  t.equal(
    stdout,
    [
      'NAME    STATE        SNAPSHOTS  IMAGES   ON HOST  CAPACITY',
      'web     powered off         13      14  90.1 GiB  50.0 GiB',
      'db\\x1b  running              0       1     512 B  50.0 GiB',
      '',
    ].join('\n'),
  )
  t.equal(renderList([]), 'no machine is registered\n')
})
