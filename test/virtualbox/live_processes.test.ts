import { open } from 'node:fs/promises'
import { join } from 'node:path'
import process from 'node:process'
import t from 'tap'
import type { FileStat, Files } from '../../lib/io/files.ts'
import { realFiles } from '../../lib/io/real_files.ts'
import { findServices, whoHasOpen } from '../../lib/virtualbox/live_processes.ts'
import { type ProcessFiles, realProcessFiles } from '../../lib/virtualbox/process_files.ts'
import { temporaryFolder } from '../fixtures/temporary_folder.ts'

const encode = (text: string): Uint8Array => new TextEncoder().encode(text)

/** A /proc with an unreadable process, a service with a home, one without, and a holder of an image. */
const proc: ProcessFiles = {
  list: async path =>
    ({ '': ['1', '20', '21', '30', 'self', 'meminfo'], '30/fd': ['0', '5', '6'], '20/fd': [] })[path],
  read: async path => {
    const files: Record<string, string> = {
      '20/comm': 'VBoxSVC\n',
      '20/environ': 'A=b\0VBOX_USER_HOME=/home/a b\0',
      '21/comm': 'VBoxSVC\n',
      '30/comm': 'qemu-nbd\n',
    }
    const text = files[path]
    return text === undefined ? undefined : encode(text)
  },
  target: async path =>
    ({ '30/fd/0': '/dev/null', '30/fd/5': '/elsewhere/a.vdi', '30/fd/6': '/other/a.vdi' })[path],
  identity: async path => ({ device: 1n, inode: path.endsWith('5') ? 7n : 8n }),
}

const files: Pick<Files, 'stat'> = {
  stat: async path => (path === '/m/a.vdi' ? ({ device: 1n, inode: 7n } as FileStat) : undefined),
}

t.test('findServices() lists the services of VirtualBox with their homes', async t => {
  t.strictSame(await findServices(proc), [
    { pid: 20, vboxUserHome: '/home/a b' },
    { pid: 21, vboxUserHome: undefined },
  ])
  t.equal(await findServices({ ...proc, list: async () => undefined }), undefined, 'unknown elsewhere')
})

t.test('whoHasOpen() finds a file by what it is, not by its path', async t => {
  t.strictSame(await whoHasOpen(proc, files, ['/m/a.vdi', '/m/gone.vdi'], 1), [
    { pid: 30, command: 'qemu-nbd', path: '/m/a.vdi' },
  ])
  t.strictSame(await whoHasOpen(proc, files, ['/m/a.vdi'], 30), [], 'not ourselves')
  t.equal(await whoHasOpen({ ...proc, list: async () => undefined }, files, [], 1), undefined)
})

t.test(
  'whoHasOpen() sees a real process',
  { skip: process.platform !== 'linux' && 'needs /proc' },
  async t => {
    const path = join(await temporaryFolder(t), 'a.vdi')
    const handle = await open(path, 'w')
    const found = await whoHasOpen(realProcessFiles, realFiles, [path], 0)
    t.strictSame(
      found?.map(holder => [holder.pid, holder.path]),
      [[process.pid, path]],
    )
    await handle.close()
    t.strictSame(await whoHasOpen(realProcessFiles, realFiles, [path], 0), [])
    t.ok(Array.isArray(await findServices(realProcessFiles)))
  },
)
