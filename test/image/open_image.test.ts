import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import t from 'tap'
import { openImage } from '../../lib/image/open_image.ts'
import { countingFiles } from '../../lib/io/counting_files.ts'
import { realFiles } from '../../lib/io/real_files.ts'
import { RecordedFiles } from '../../lib/io/recorded_files.ts'
import { type ImageSpec, makeImage, overwrite, setLength } from '../fixtures/disks.ts'
import { temporaryFolder } from '../fixtures/temporary_folder.ts'

const PATH = '/a disk.vdi'

const SMALL: ImageSpec = {
  capacity: 2 ** 20,
  blockSize: 2 ** 17,
  tableOffset: 4096,
  dataOffset: 8192,
  blocks: { 1: 1 },
}

t.test('an image opens with its header and length', async t => {
  const files = new RecordedFiles()
  const made = await makeImage(files, PATH, SMALL)
  const image = await openImage(files, PATH, 'read')
  t.equal(image.path, PATH)
  t.equal(image.fileSize, made.fileSize)
  t.match(image.header, { id: made.id, allocatedBlocks: 1 })
})

t.test('an image opened for writing can be written, one opened for reading cannot', async t => {
  const files = new RecordedFiles()
  await makeImage(files, PATH, SMALL)
  const bytes = new Uint8Array([1])
  await (await openImage(files, PATH, 'write')).file.write(bytes, 9000)
  await t.rejects((await openImage(files, PATH, 'read')).file.write(bytes, 9000))
})

t.test('a missing image is named', async t => {
  const refusal = { code: 'image_missing', message: /"\/a disk.vdi"/ }
  await t.rejects(openImage(new RecordedFiles(), PATH, 'read'), refusal)
  await t.rejects(openImage(new RecordedFiles(), '/no/such/folder.vdi', 'read'), { code: 'image_missing' })
})

t.test('a link is refused, whatever it leads to', async t => {
  const files = new RecordedFiles()
  await makeImage(files, PATH, SMALL)
  files.addLink('/link.vdi', PATH)
  files.addLink('/dangling.vdi', '/nowhere')
  for (const path of ['/link.vdi', '/dangling.vdi']) {
    await t.rejects(openImage(files, path, 'read'), {
      code: 'unsupported',
      message: /".*": it is a symbolic link/,
    })
  }
})

t.test('what is no plain file is refused without opening it', async t => {
  const folder = await temporaryFolder(t)
  const pipe = `${folder}/pipe.vdi`
  await promisify(execFile)('mkfifo', [pipe])
  const counting = countingFiles(realFiles)
  await t.rejects(openImage(counting.files, pipe, 'read'), {
    code: 'unsupported',
    message: /it is a device, pipe/,
  })
  await t.rejects(openImage(counting.files, '/dev/null', 'read'), {
    code: 'unsupported',
    message: /it is a device/,
  })
  await t.rejects(openImage(counting.files, folder, 'read'), {
    code: 'unsupported',
    message: /it is a folder/,
  })
  t.notOk(counting.calls.some(({ operation }) => operation === 'open'))
})

const STARTS: readonly (readonly [start: string, format: RegExp])[] = [
  ['KDMV\x01\0\0\0', /a VMDK image/],
  ['COWD\x01\0\0\0', /a VMDK image/],
  ['# Disk DescriptorFile\nversion=1\n', /a VMDK descriptor image/],
  ['conectix\0\0\0\x02', /a VHD image/],
  ['vhdxfile', /a VHDX image/],
  ['QFI\xfb\0\0\0\x03', /a QCOW2 image/],
  ['WithoutFreeSpace', /a Parallels disk image/],
]

t.test('other image formats are refused by name', async t => {
  for (const [start, message] of STARTS) {
    const files = new RecordedFiles()
    await makeImage(files, PATH, SMALL)
    await overwrite(files, PATH, 0, Buffer.from(start, 'latin1'))
    await t.rejects(openImage(files, PATH, 'read'), { code: 'unsupported', message })
  }
})

t.test('what is no image at all is corrupt, and so is an image that was cut', async t => {
  const files = new RecordedFiles()
  await makeImage(files, PATH, SMALL)
  for (const length of [8191, 4096 + 32]) {
    await setLength(files, PATH, length)
    t.ok(await openImage(files, PATH, 'read'))
  }
  for (const length of [4096 + 31, 471, 100, 3, 0]) {
    await setLength(files, PATH, length)
    await t.rejects(
      openImage(files, PATH, 'read'),
      { code: 'image_corrupt', message: /"\/a disk.vdi"/ },
      `${length}`,
    )
  }
  await setLength(files, PATH, 4096)
  await t.rejects(openImage(files, PATH, 'read'), {
    code: 'image_corrupt',
    message: /u32Signature is 0x00000000/,
  })
})

t.test('an image that is refused is closed again', async t => {
  const files = new RecordedFiles()
  await makeImage(files, PATH, SMALL)
  await overwrite(files, PATH, 0x4c, 9)
  const counting = countingFiles(files)
  await t.rejects(openImage(counting.files, PATH, 'write'), { code: 'unsupported' })
  t.strictSame(
    counting.calls.map(({ operation }) => operation).filter(name => name === 'open' || name === 'close'),
    ['open', 'close'],
  )
})
