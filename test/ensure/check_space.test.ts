import t from 'tap'
import { checkSettingsSpace } from '../../lib/ensure/check_space.ts'
import type { FileStat } from '../../lib/io/files.ts'
import { interceptedFiles } from '../../lib/io/intercepted_files.ts'
import { RecordedFiles } from '../../lib/io/recorded_files.ts'
import { hasCode } from '../fixtures/has_code.ts'
import { plannedInspection } from '../fixtures/planned_inspection.ts'

const HOME = '/home/vbox'
const REGISTRY_BYTES = 50_000

t.test('VirtualBox is not told to save its settings where there is no room for them', async t => {
  const disk = new RecordedFiles()
  await disk.makeFolder(HOME)
  const registry = await disk.open(`${HOME}/VirtualBox.xml`, 'create')
  await registry.truncate(REGISTRY_BYTES)
  let free = 1_000_000
  // The home is on a file system of its own.
  const files = interceptedFiles(disk, async ({ operation, path }, run) => {
    const result = await run()
    const isHome = path.startsWith(HOME)
    if (isHome && operation === 'freeSpace') return free as typeof result
    if (!isHome || operation !== 'stat' || result === undefined) return result
    return { ...(result as FileStat), device: 77n } as typeof result
  })
  const known = { registration: { registered: true, ownRegistryComplete: true } }
  const machine = plannedInspection({ disks: [{}], snapshots: ['one'] }, known)
  await t.resolves(checkSettingsSpace(files, machine, 10_000, HOME))
  free = 4 * REGISTRY_BYTES
  await t.rejects(
    checkSettingsSpace(files, machine, 10_000, HOME),
    hasCode('no_space', /^Cannot change "web": the file system of "\/home\/vbox" has 200000 bytes free/),
  )
  const unknown = plannedInspection({ disks: [{}], snapshots: ['one'] })
  await t.resolves(checkSettingsSpace(files, unknown, 10_000, HOME), 'where VirtualBox saves nothing')
})
