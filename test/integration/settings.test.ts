import { randomUUID } from 'node:crypto'
import { mkdtemp, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { addMedium, foldMedia, removeMedia, replaceImage } from '../../lib/machine/edit_media.ts'
import { addSnapshot, removeSnapshots, restoreState } from '../../lib/machine/edit_snapshots.ts'
import { readSettings } from '../../lib/machine/read_settings.ts'
import {
  parseSettings,
  type SettingsDocument,
  serializeSettings,
} from '../../lib/machine/settings_document.ts'
import { type Operation, recordSettings } from '../fixtures/drive_settings.ts'
import { type RealVirtualBox, skipWithoutVirtualBox, startVirtualBox } from '../fixtures/real_virtualbox.ts'
import {
  documentOf,
  replayDelete,
  replayDiscard,
  replayRestore,
  replayTake,
  textOf,
} from '../fixtures/replay_settings.ts'
import { settingsText, testUuid } from '../fixtures/settings_text.ts'

const REPLAYS: Readonly<Record<Exclude<Operation, 'other'>, (before: string, after: string) => string>> = {
  take: replayTake,
  restore: replayRestore,
  delete: replayDelete,
  discard: replayDiscard,
}

t.test(
  'edits of settings write what VirtualBox writes, byte for byte',
  { skip: skipWithoutVirtualBox },
  async t => {
    const recorded = await recordSettings(await startVirtualBox(t))
    for (const [index, { label, operation, text }] of recorded.entries()) {
      t.equal(textOf(documentOf(text)), text, `${label}: an unedited file is written back unchanged`)
      const before = recorded[index - 1]
      if (operation === 'other' || before === undefined) continue
      t.equal(REPLAYS[operation](before.text, text), text, label)
    }
  },
)

t.test(
  'VirtualBox reads edited settings of versions 1.11 to 1.19',
  { skip: skipWithoutVirtualBox },
  async t => {
    const virtualBox = await startVirtualBox(t)
    const folder = await mkdtemp(join(virtualBox.folder, 'old-'))
    const chain = await makeChain(virtualBox, folder)
    for (const minor of [11, 14, 16, 17]) {
      await readsEditedSettings(t, virtualBox, join(folder, 'web.vbox'), chain, `1.${minor}-linux`, 'beside')
    }
    for (const minor of [17, 18, 19]) {
      await readsEditedSettings(t, virtualBox, join(folder, 'web.vbox'), chain, `1.${minor}-linux`, 'inside')
    }
  },
)

/** The UUIDs of a base and of two differencing images over it. */
type Chain = readonly [base: string, first: string, second: string]

/** Adds a snapshot, restores it, takes it out again; VirtualBox is asked what it sees after each edit. */
async function readsEditedSettings(
  t: Test,
  virtualBox: RealVirtualBox,
  file: string,
  [base, first, second]: Chain,
  version: string,
  controllers: 'inside' | 'beside',
): Promise<void> {
  const label = `${version}, controllers ${controllers}`
  const images = new Map([[base, first]])
  const id = randomUUID()
  const location = (image: string): string => (image === first ? 'first.vdi' : 'second.vdi')
  const start = settingsText({
    version,
    controllers,
    image: base,
    media: `        <HardDisk uuid="{${base}}" location="base.vdi" format="VDI" type="Normal"/>`,
  }).replace(testUuid(100), randomUUID())

  const added = { id: first, location: location(first), format: 'VDI' }
  const taken = addSnapshot(addMedium(parseSettings(Buffer.from(start), file), base, added), {
    id,
    name: 'Base "<&>',
    description: 'a\nb',
    timeStamp: '2026-03-04T05:06:07Z',
    images,
  })
  const seen = await see(virtualBox, taken)
  t.match(seen, new RegExp(`"SATA-ImageUUID-0-0"="${first}"`), `${label}: the new image is attached`)
  t.match(seen, new RegExp(`CurrentSnapshotUUID="${id}"`), `${label}: the snapshot is the current one`)
  t.match(seen, 'CurrentSnapshotName="Base "<&>"', `${label}: the snapshot has its name`)

  const other = addMedium(removeMedia(taken, [first]), base, {
    ...added,
    id: second,
    location: location(second),
  })
  const restored = await see(virtualBox, restoreState(other, id, new Map([[base, second]])))
  t.match(restored, new RegExp(`"SATA-ImageUUID-0-0"="${second}"`), `${label}: the state is restored`)

  const folded = foldMedia(replaceImage(taken, 'all', first, base), base, [first])
  const removed = await see(virtualBox, removeSnapshots(folded, new Set([id]), new Date()))
  t.match(removed, new RegExp(`"SATA-ImageUUID-0-0"="${base}"`), `${label}: the base is attached`)
  t.notMatch(removed, 'CurrentSnapshot', `${label}: no snapshot is left`)
}

/** Makes `base.vdi`, and `first.vdi` and `second.vdi` over it. */
async function makeChain(virtualBox: RealVirtualBox, folder: string): Promise<Chain> {
  const make = async (name: string, ...args: string[]): Promise<string> => {
    const created = await virtualBox.run('createmedium', 'disk', '--filename', join(folder, name), ...args)
    return /UUID: ([0-9a-f-]{36})/.exec(created)?.[1] ?? ''
  }
  const base = await make('base.vdi', '--size', '1')
  const first = await make('first.vdi', '--diffparent', base)
  const second = await make('second.vdi', '--diffparent', base)
  for (const id of [second, first, base]) await virtualBox.run('closemedium', 'disk', id)
  return [base, first, second]
}

/** Registers a machine, returns what VirtualBox tells of it, and unregisters it. */
async function see(virtualBox: RealVirtualBox, doc: SettingsDocument): Promise<string> {
  await writeFile(doc.file, serializeSettings(doc))
  await virtualBox.run('registervm', doc.file)
  const { id } = readSettings(doc)
  try {
    return await virtualBox.run('showvminfo', id, '--machinereadable')
  } finally {
    await virtualBox.run('unregistervm', id)
  }
}
