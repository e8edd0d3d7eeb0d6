// deno test --allow-read --allow-write --allow-env --allow-sys test/deno: the library as a Deno program uses it.
import assert from 'node:assert/strict'
import { mkdtemp, realpath, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { realFiles } from '../../lib/io/real_files.ts'
import { ensureCloned, ensureGoldenImage, inspectMachine, VboxmergeError } from '../../mod.ts'
import { type MadeMachine, makeMachine } from '../fixtures/machine_maker.ts'

declare const Deno: { test(name: string, body: () => Promise<void>): void }

async function withMachine(body: (made: MadeMachine, folder: string) => Promise<void>): Promise<void> {
  const folder = await realpath(await mkdtemp(join(tmpdir(), 'vboxmerge-deno-')))
  try {
    const disks = [{ content: { base: { 0: 1, 1: 0, 2: 2 } } }]
    await body(await makeMachine(realFiles, join(folder, 'web'), { disks, snapshots: ['a', 'b'] }), folder)
  } finally {
    await rm(folder, { recursive: true })
  }
}

Deno.test('ensureGoldenImage() changes a machine once, and never what the guest sees', async () => {
  await withMachine(async ({ settingsFile }, folder) => {
    const options = { vboxUserHome: join(folder, 'none'), freeSpace: 'keep', digest: true } as const
    const before = await inspectMachine(settingsFile, { vboxUserHome: options.vboxUserHome, digest: true })
    const first = await ensureGoldenImage(settingsFile, options)
    assert.deepEqual([first.changed, first.engine], [true, 'direct'])
    assert.ok(first.after.bytes < first.before.bytes)
    assert.deepEqual(
      first.digests?.map(({ sha256 }) => sha256),
      before.digests?.map(({ sha256 }) => sha256),
    )
    assert.equal((await ensureGoldenImage(settingsFile, options)).changed, false)
  })
})

Deno.test('ensureCloned() makes a second machine and leaves the first as it is', async () => {
  await withMachine(async ({ settingsFile }, folder) => {
    const options = { vboxUserHome: join(folder, 'none'), freeSpace: 'keep' } as const
    const { clone } = await ensureCloned(settingsFile, options)
    assert.equal(clone?.settingsFile, join(folder, 'web Clone', 'web Clone.vbox'))
    assert.equal((await ensureCloned(settingsFile, options)).changed, false)
  })
})

Deno.test('a machine that is not there is refused by name', async () => {
  await assert.rejects(
    ensureGoldenImage('/nowhere/web.vbox', { vboxUserHome: '/nowhere' }),
    (error: unknown) => error instanceof VboxmergeError && error.code === 'machine_not_found',
  )
})
