import { join } from 'node:path'
import t from 'tap'
import { realFiles } from '../../lib/io/real_files.ts'
import { systemCalls } from '../../lib/io/system_calls.ts'
import { smallDisk, whyNoSmallDisk } from '../fixtures/small_disk.ts'

const MIB = 2 ** 20

const skip = systemCalls() === undefined ? 'needs the package koffi' : whyNoSmallDisk('ext4')

t.test('on ext4 a file gets its place before it is written', { skip }, async t => {
  const folder = await smallDisk(t, 'ext4', 256)
  const file = await realFiles.open(join(folder, 'image'), 'create')
  const data = new Uint8Array(MIB).fill(7)
  await file.write(data, 0)
  await file.reserve(2 * MIB)
  t.equal((await file.stat()).size, MIB, 'little is not worth it')
  await file.reserve(64 * MIB)
  const { size, allocatedBytes } = await file.stat()
  t.equal(size, 64 * MIB)
  t.ok(allocatedBytes >= 64 * MIB, `${allocatedBytes} bytes`)
  const found = new Uint8Array(2 * MIB).fill(9)
  await file.read(found, 0)
  t.ok(Buffer.from(found.subarray(0, MIB)).equals(data), 'what was there stays')
  t.ok(
    found.subarray(MIB).every(byte => byte === 0),
    'what comes behind it reads as zeros',
  )
  await file.reserve(MIB)
  t.equal((await file.stat()).size, 64 * MIB, 'no file gets shorter')
  await file.close()
})

t.test('where there is too little place it is the writing that fails', { skip }, async t => {
  const folder = await smallDisk(t, 'ext4', 64)
  const file = await realFiles.open(join(folder, 'image'), 'create')
  await file.reserve(1024 * MIB)
  t.ok((await file.stat()).size < 1024 * MIB)
  await t.rejects(file.write(new Uint8Array(MIB), 1024 * MIB), { code: 'ENOSPC' })
  await file.close()
})

t.test('elsewhere a file stays as it is', { skip: whyNoSmallDisk('tmpfs') }, async t => {
  const folder = await smallDisk(t, 'tmpfs', 128)
  const file = await realFiles.open(join(folder, 'image'), 'create')
  await file.reserve(64 * MIB)
  t.equal((await file.stat()).size, 0)
  await file.close()
})
