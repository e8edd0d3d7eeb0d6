import { type FileHandle, link, open, rename, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { systemCalls } from '../../lib/io/system_calls.ts'
import { systemNumber } from '../../lib/io/system_number.ts'
import { temporaryFolder } from '../fixtures/temporary_folder.ts'

const calls = systemCalls()
const needsCalls = { skip: calls === undefined && 'needs Linux and koffi' }

/** Asks for the number of an open file as where a runtime does not tell it, once its name was dealt with. */
async function numberAfter(t: Test, change: (path: string) => Promise<unknown>): Promise<number | undefined> {
  const path = join(await temporaryFolder(t), 'a')
  await writeFile(path, 'a')
  const handle: FileHandle = await open(path, 'r+')
  const number = systemNumber(handle, path, true, false)
  await change(path)
  const found = calls === undefined ? undefined : await number.get(calls)
  if (calls !== undefined && found !== undefined) {
    const { dev, ino } = await handle.stat({ bigint: true })
    t.strictSame(calls.identity(found), { device: dev, inode: ino })
    t.equal(await number.get(calls), found, 'it is opened once')
    await number.close()
    t.equal(calls.identity(found), undefined, 'and closed')
  }
  await handle.close()
  return found
}

t.test('a file that is open gets a number of the system, by its path', needsCalls, async t => {
  t.type(await numberAfter(t, async () => undefined), 'number')
  t.type(await numberAfter(t, path => link(path, `${path}2`)), 'number', 'a second name does not matter')
})

t.test('another file in its place is not taken for it', needsCalls, async t => {
  const replaced = async (path: string): Promise<void> => {
    await writeFile(`${path}2`, 'a')
    await rename(`${path}2`, path)
  }
  t.equal(await numberAfter(t, replaced), undefined)
  t.equal(await numberAfter(t, path => rename(path, `${path}2`)), undefined, 'nor is none')
  const linked = async (path: string): Promise<void> => {
    await rename(path, `${path}2`)
    await symlink(`${path}2`, path)
  }
  t.equal(await numberAfter(t, linked), undefined, 'nor a link to it')
})
