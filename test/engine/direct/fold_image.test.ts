import { link } from 'node:fs/promises'
import t from 'tap'
import { FREE, ZERO } from '../../../lib/blocks/constants.ts'
import type { VboxmergeError } from '../../../lib/errors.ts'
import { faultyFiles } from '../../../lib/io/faulty_files.ts'
import { realFiles } from '../../../lib/io/real_files.ts'
import { RecordedFiles } from '../../../lib/io/recorded_files.ts'
import { BLOCK, type DiskWish, putChain } from '../../fixtures/fold_disks.ts'
import { type FileFold, runFold } from '../../fixtures/fold_run.ts'
import { checkRawDense, checkRawTable, readRawChain, readRawVdi } from '../../fixtures/raw_vdi.ts'
import { temporaryFolder } from '../../fixtures/temporary_folder.ts'

interface Scene {
  readonly files: RecordedFiles
  readonly paths: string[]
}

async function scene(wishes: readonly DiskWish[]): Promise<Scene> {
  const files = new RecordedFiles()
  const paths = await putChain(files, wishes)
  files.settle()
  return { files, paths }
}

const operations = (files: RecordedFiles): string[] => files.recording().entries.map(({ kind }) => kind)

t.test('the disk reads the same through the target alone', async t => {
  const { files, paths } = await scene([{ content: 'dzfd' }, { content: 'fdzf' }, { content: 'ffdz' }])
  const before = await readRawChain(files, paths)
  await runFold(files, { paths, target: 0, top: 2 })
  t.ok((await readRawChain(files, paths.slice(0, 1))).equals(before))
  const image = await readRawVdi(files, paths[0] ?? '')
  checkRawDense(image)
  t.same(image.table, [0, 1, 2, FREE], 'the block in the last slot was hidden by zeros')
})

t.test('a middle part of a chain becomes its lowest image', async t => {
  const { files, paths } = await scene([
    { content: 'ddd' },
    { content: 'ffd' },
    { content: 'zff' },
    { content: 'fdf' },
  ])
  const before = await readRawChain(files, paths)
  const upper = await readRawChain(files, paths.slice(0, 3))
  await runFold(files, { paths, target: 1, top: 2 })
  const short = paths.filter((_, index) => index !== 2)
  t.ok((await readRawChain(files, short)).equals(before))
  t.ok((await readRawChain(files, short.slice(0, 2))).equals(upper))
  t.same((await readRawVdi(files, paths[1] ?? '')).table, [ZERO, FREE, 0])
})

t.test('compaction gives dropped blocks and orphans back', async t => {
  const { files, paths } = await scene([{ content: 'dddf', order: [3, 0, 1], allocated: 4 }])
  const before = await readRawChain(files, paths)
  await runFold(files, { paths, target: 0, top: 0, dead: new Set([1]) })
  const image = await readRawVdi(files, paths[0] ?? '')
  checkRawDense(image)
  t.equal(image.bytes.length, 4096 + 2 * BLOCK)
  const after = await readRawChain(files, paths)
  t.ok(after.subarray(0, BLOCK).equals(before.subarray(0, BLOCK)))
  t.ok(after.subarray(BLOCK, 2 * BLOCK).every(byte => byte === 0))
  t.ok(after.subarray(2 * BLOCK).equals(before.subarray(2 * BLOCK)))
})

t.test('a second run writes nothing', async t => {
  const { files, paths } = await scene([{ content: 'ddf' }, { content: 'fzd' }])
  await runFold(files, { paths, target: 0, top: 1 })
  files.settle()
  const plan = await runFold(files, { paths: paths.slice(0, 1), target: 0, top: 0 })
  t.notOk(plan.changed)
  t.same(operations(files), [])
})

t.test('steps that have nothing to do are left out together with their flush', async t => {
  const { files, paths } = await scene([{ content: 'df' }, { content: 'df' }])
  await runFold(files, { paths, target: 0, top: 1 })
  t.same(operations(files), ['write', 'sync', 'write', 'sync'], 'data in their own slot, then the header')
})

t.test('a fold that needs every step flushes after each', async t => {
  const low = { content: 'dddd', order: [3, 0, 1, 2], capacity: 4 * BLOCK - 512 }
  const { files, paths } = await scene([low, { content: 'fzdffd', capacity: 6 * BLOCK }])
  await runFold(files, { paths, target: 0, top: 1, dead: new Set([3, 4]) })
  const expected = [
    ...['write', 'write', 'sync', 'write', 'sync'],
    ...['write', 'sync', 'write', 'sync', 'write', 'sync', 'write', 'sync', 'truncate', 'sync'],
  ]
  t.same(operations(files), expected)
})

t.test('everything of the header that a fold does not mean to change stays', async t => {
  const { files, paths } = await scene([{ content: 'dd' }, { content: 'ddd', capacity: 3 * BLOCK }])
  const before = await readRawVdi(files, paths[0] ?? '')
  await runFold(files, { paths, target: 0, top: 1 })
  const after = await readRawVdi(files, paths[0] ?? '')
  t.equal(after.id, before.id)
  t.equal(after.modification, '7'.repeat(32), 'the modification UUID is new')
  const changed = [...after.bytes.subarray(0, 4096).entries()].filter(
    ([at, byte]) => byte !== before.bytes[at],
  )
  const fields = changed
    .map(([at]) => at)
    .every(at => {
      const isDiskSize = at >= 0x170 && at < 0x178
      const isCountOrModification = at >= 0x180 && at < 0x1a8 && !(at >= 0x188 && at < 0x198)
      return isDiskSize || isCountOrModification || (at >= 512 && at < 512 + 12)
    })
  t.ok(fields)
})

t.test('disks that grow, also inside of the last block, read as zeros in what no one wrote', async t => {
  const low = { content: 'dd', capacity: 2 * BLOCK - 1024 }
  for (const way of ['in-place', 'fresh'] as const) {
    const { files, paths } = await scene([
      low,
      { content: 'fff' },
      { content: 'ffffd', capacity: 4.5 * BLOCK },
    ])
    const before = await readRawChain(files, paths)
    await runFold(files, { paths, target: 0, top: 2, way })
    const after = await readRawChain(files, paths.slice(0, 1))
    t.ok(after.equals(before), way)
    t.ok(after.subarray(2 * BLOCK - 1024, 4 * BLOCK).every(byte => byte === 0))
  }
})

t.test('blocks of different sizes are completed from what lies below', async t => {
  const chain = [{ content: 'dddd' }, { content: 'ff', blockSize: 2 * BLOCK }, { content: 'fdzf' }]
  for (const way of ['in-place', 'fresh'] as const) {
    const { files, paths } = await scene(chain)
    const before = await readRawChain(files, paths)
    await runFold(files, { paths, target: 1, top: 2, way })
    t.ok((await readRawChain(files, paths.slice(0, 2))).equals(before), way)
  }
})

t.test('bytes in front of each block are stepped over', async t => {
  const { files, paths } = await scene([
    { content: 'dfd', blockExtra: 512 },
    { content: 'fdd', blockExtra: 4096 },
  ])
  const before = await readRawChain(files, paths)
  await runFold(files, { paths, target: 0, top: 1 })
  t.ok((await readRawChain(files, paths.slice(0, 1))).equals(before))
  checkRawDense(await readRawVdi(files, paths[0] ?? ''))
})

t.test('zeros are zeros, also where the memory held other blocks before', async t => {
  const low = { content: 'd'.repeat(16), blockExtra: 512, fixed: true }
  const { files, paths } = await scene([low, { content: `${'d'.repeat(8)}${'z'.repeat(8)}` }])
  const before = await readRawChain(files, paths)
  await runFold(files, { paths, target: 0, top: 1 })
  t.ok((await readRawChain(files, paths.slice(0, 1))).equals(before))
})

t.test('a fixed image stays fixed', async t => {
  const { files, paths } = await scene([{ content: 'ddd', fixed: true }, { content: 'fzd' }])
  const before = await readRawChain(files, paths)
  await runFold(files, { paths, target: 0, top: 1 })
  t.ok((await readRawChain(files, paths.slice(0, 1))).equals(before))
  const { type, table } = await readRawVdi(files, paths[0] ?? '')
  t.same([type, table], [2, [0, 1, 2]])
})

t.test('a fresh file takes the place of the old one with its owner, mode and identity', async t => {
  const { files, paths } = await scene([{ content: 'ddfd', order: [2, 0, 1] }, { content: 'zfdf' }])
  const [path = ''] = paths
  const before = await readRawChain(files, paths)
  const old = await readRawVdi(files, path)
  const file = await files.open(path, 'write')
  await file.copyOwner({ ...(await file.stat()), mode: 0o640, owner: 5, group: 6 })
  await file.close()
  const stat = await files.stat(path)
  await runFold(files, { paths, target: 0, top: 1, way: 'fresh' })
  const fresh = await readRawVdi(files, path)
  t.ok((await readRawChain(files, [path])).equals(before))
  checkRawDense(fresh)
  t.same(fresh.table, [FREE, 0, 1, 2], 'in the order of the disk')
  t.equal(fresh.id, old.id)
  t.ok(fresh.bytes.subarray(528, 4096).equals(old.bytes.subarray(528, 4096)), 'unknown bytes are kept')
  const after = await files.stat(path)
  t.same([after?.mode, after?.owner, after?.group], [0o640, 5, 6])
  t.not(after?.inode, stat?.inode)
  t.same(await files.list('/m'), ['0.vdi', '1.vdi'])
})

t.test('a fresh file has room for a larger table', async t => {
  const { files, paths } = await scene([
    { content: 'dd', tableOffset: 512, dataOffset: 520 },
    { content: 'fdd' },
  ])
  const before = await readRawChain(files, paths)
  await t.rejects(runFold(files, { paths, target: 0, top: 1 }), { code: 'unsupported', message: /no room/ })
  t.same(operations(files), [], 'nothing was written')
  await runFold(files, { paths, target: 0, top: 1, way: 'fresh' })
  t.ok((await readRawChain(files, paths.slice(0, 1))).equals(before))
  t.equal((await readRawVdi(files, paths[0] ?? '')).dataOffset, 2 ** 20)
})

t.test('a table whose entries may lie in two sectors is only written afresh', async t => {
  const { files, paths } = await scene([{ content: 'dd', tableOffset: 510 }, { content: 'fd' }])
  const before = await readRawChain(files, paths)
  await t.rejects(runFold(files, { paths, target: 0, top: 1 }), {
    code: 'unsupported',
    message: /multiple of 4/,
  })
  await runFold(files, { paths, target: 0, top: 1, way: 'fresh' })
  t.ok((await readRawChain(files, paths.slice(0, 1))).equals(before))
  t.equal((await readRawVdi(files, paths[0] ?? '')).tableOffset, 512)
})

t.test('a file with two names is not written in place', async t => {
  const folder = await temporaryFolder(t)
  const paths = await putChain(realFiles, [{ content: 'dd' }, { content: 'fd' }], folder)
  const before = await readRawChain(realFiles, paths)
  await link(paths[0] ?? '', `${folder}/other.vdi`)
  await t.rejects(runFold(realFiles, { paths, target: 0, top: 1 }), {
    code: 'unsupported',
    message: /2 names/,
  })
  await runFold(realFiles, { paths, target: 0, top: 1, way: 'fresh' })
  t.ok((await readRawChain(realFiles, paths.slice(0, 1))).equals(before))
  const kept = await readRawChain(realFiles, [`${folder}/other.vdi`, paths[1] ?? ''])
  t.ok(kept.equals(before), 'the other name still leads to the old content')
})

t.test('real files fold like recorded ones, in runs larger than one read', async t => {
  const folder = await temporaryFolder(t)
  const content = 'd'.repeat(80)
  const paths = await putChain(
    realFiles,
    [{ content }, { content: `${'f'.repeat(20)}${'d'.repeat(50)}ffffffffff` }],
    folder,
  )
  const before = await readRawChain(realFiles, paths)
  let written = 0
  const plan = await runFold(
    realFiles,
    { paths, target: 0, top: 1 },
    { onBytes: bytes => (written += bytes) },
  )
  t.ok((await readRawChain(realFiles, paths.slice(0, 1))).equals(before))
  t.equal(written, 50 * BLOCK)
  t.equal(plan.costs.writtenBytes, written)
})

t.test('neighbouring blocks are read and written together', async t => {
  const { files, paths } = await scene([{ content: 'f'.repeat(64) }, { content: 'd'.repeat(64) }])
  await runFold(files, { paths, target: 0, top: 1 })
  const writes = files.recording().entries.filter(entry => entry.kind === 'write' && entry.position >= 4096)
  t.equal(writes.length, 2, '64 blocks of 128 KiB in two writes of 4 MiB')
})

t.test('an aborted fold leaves the disk readable and is finished by the next run', async t => {
  // Bytes in front of the blocks keep them apart, so that each is a run of its own.
  const wishes = [{ content: 'fd'.repeat(6), blockExtra: 512 }, { content: 'd'.repeat(12) }]
  for (let stop = 0; stop < 4; stop++) {
    const { files, paths } = await scene(wishes)
    const before = await readRawChain(files, paths)
    const controller = new AbortController()
    const reason = new Error('enough')
    let seen = 0
    if (stop === 0) controller.abort(reason)
    const onBytes = (): void => {
      if (++seen === stop) controller.abort(reason)
    }
    const fold: FileFold = { paths, target: 0, top: 1 }
    await t.rejects(runFold(files, fold, { signal: controller.signal, onBytes }), reason)
    if (stop === 0) t.same(operations(files), [], 'before the first write nothing is touched')
    t.ok((await readRawChain(files, paths)).equals(before), `stopped after ${stop} runs`)
    checkRawTable(await readRawVdi(files, paths[0] ?? ''))
    await runFold(files, fold)
    t.ok((await readRawChain(files, paths.slice(0, 1))).equals(before))
  }
})

t.test('an aborted or failed fresh file is removed', async t => {
  const { files, paths } = await scene([{ content: 'ddd' }, { content: 'fzd' }])
  const before = await readRawChain(files, paths)
  const fold: FileFold = { paths, target: 0, top: 1, way: 'fresh' }
  const controller = new AbortController()
  const reason = new Error('enough')
  await t.rejects(
    runFold(files, fold, { signal: controller.signal, onBytes: () => controller.abort(reason) }),
    reason,
  )
  for (let at = 1; at <= 8; at++) {
    const faulty = faultyFiles(files, [{ operation: 'changing', at, error: 'ENOSPC' }])
    await t.rejects(runFold(faulty.files, fold), { code: 'ENOSPC' }, `change ${at}`)
  }
  t.ok((await readRawChain(files, paths)).equals(before))
  t.same(await files.list('/m'), ['0.vdi', '1.vdi'])
})

t.test('a fold whose writes fail leaves the disk readable and is finished by the next run', async t => {
  const low = { content: 'dddd', order: [3, 0, 1, 2], capacity: 4 * BLOCK - 512 }
  const wishes = [low, { content: 'fzdffd', capacity: 6 * BLOCK }]
  for (const operation of ['write', 'sync', 'truncate'] as const) {
    for (let at = 1; ; at++) {
      const { files, paths } = await scene(wishes)
      const before = await readRawChain(files, paths)
      const fold: FileFold = { paths, target: 0, top: 1 }
      const faulty = faultyFiles(files, [{ operation, at, error: 'EIO' }])
      const failure = await runFold(faulty.files, fold).catch((error: unknown) => error)
      if (faulty.hits() === 0) break
      t.match(failure, { code: 'EIO' }, `${operation} ${at}`)
      t.ok((await readRawChain(files, paths)).equals(before))
      checkRawTable(await readRawVdi(files, paths[0] ?? ''))
      await runFold(files, fold)
      t.ok((await readRawChain(files, paths.slice(0, 1))).equals(before))
      checkRawDense(await readRawVdi(files, paths[0] ?? ''))
    }
  }
})

t.test(
  'a source that became shorter is reported by name, and nothing refers to what was not copied',
  async t => {
    const { files, paths } = await scene([{ content: 'df' }, { content: 'fd' }])
    const before = await readRawVdi(files, paths[0] ?? '')
    const faulty = faultyFiles(files, [{ operation: 'read', at: 3, path: paths[1] ?? '', short: true }])
    await t.rejects(runFold(faulty.files, { paths, target: 0, top: 1 }), {
      code: 'image_corrupt',
      message: /"\/m\/1.vdi": the file ends at byte \d+, inside a block/,
    })
    t.same((await readRawVdi(files, paths[0] ?? '')).table, before.table)
  },
)

t.test('a target that became shorter never gets a header with zeros for what was not read', async t => {
  for (const way of ['in-place', 'fresh'] as const) {
    for (let at = 1; ; at++) {
      const { files, paths } = await scene([{ content: 'df' }, { content: 'fd' }])
      const [target = ''] = paths
      const { id } = await readRawVdi(files, target)
      const faulty = faultyFiles(files, [{ operation: 'read', at, path: target, short: true }])
      const outcome = await runFold(faulty.files, { paths, target: 0, top: 1, way }).catch(
        (error: VboxmergeError) => error.code,
      )
      if (faulty.hits() === 0) break
      t.equal((await readRawVdi(files, target)).id, id, `${way}, read ${at}`)
      t.ok(
        ['image_corrupt', 'verify_failed'].includes(String(outcome)),
        `${way}, read ${at}: ${String(outcome)}`,
      )
    }
  }
})
