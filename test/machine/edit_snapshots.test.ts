import t from 'tap'
import {
  addSnapshot,
  discardSavedState,
  removeSnapshots,
  restoreState,
  setCurrentStateModified,
} from '../../lib/machine/edit_snapshots.ts'
import type { MachineSettings, Snapshot } from '../../lib/machine/machine.ts'
import { eachSnapshot } from '../../lib/machine/media_graph.ts'
import { readSettings } from '../../lib/machine/read_settings.ts'
import type { SettingsDocument } from '../../lib/machine/settings_document.ts'
import { recordedPairs } from '../fixtures/recorded_settings.ts'
import {
  documentOf,
  replayDelete,
  replayDiscard,
  replayRestore,
  replayTake,
  textOf,
} from '../fixtures/replay_settings.ts'
import { settingsText, snapshotText, testUuid } from '../fixtures/settings_text.ts'
import { randomSeconds, testRandom } from '../fixtures/test_run.ts'

const NOW = new Date('2026-03-04T05:06:07.890Z')
const ADDED = {
  id: testUuid(50),
  name: 'Base',
  description: '',
  timeStamp: '2026-03-04T05:06:07Z',
  images: new Map(),
}
const none = new Map<string, string>()

for (const [operation, replay] of [
  ['take', replayTake],
  ['restore', replayRestore],
  ['delete', replayDelete],
  ['discard', replayDiscard],
] as const) {
  for (const { label, before, after } of recordedPairs(operation)) {
    t.test(`an edited file equals what VirtualBox 7.2 wrote: ${label}`, async t => {
      t.equal(replay(before, after), after)
    })
  }
}

/** Snapshots 11 - 12 - (13, 14 - 15); the current one is the given one. */
function tree(
  current: number,
  machine = ' currentStateModified="false" lastStateChange="2026-01-01T00:00:00Z"',
): string {
  const deeper = '            '
  const children = [
    snapshotText(13, 'c', 3, { indent: deeper }),
    snapshotText(14, 'd', 4, {
      indent: deeper,
      children: snapshotText(15, 'e', 5, { indent: `${deeper}    ` }),
    }),
  ].join('\n')
  const second = snapshotText(12, 'b', 2, { indent: '        ', children })
  return settingsText({
    machine: ` currentSnapshot="{${testUuid(current)}}"${machine}`,
    between: snapshotText(11, 'a', 1, { children: second }),
  })
}

const treeOf = (doc: SettingsDocument): string => {
  const settings = readSettings(doc)
  return settings.rootSnapshot === undefined ? '' : outline(settings.rootSnapshot)
}
const outline = (snapshot: Snapshot): string =>
  snapshot.name + (snapshot.children.length > 0 ? `(${snapshot.children.map(outline).join(' ')})` : '')
const idsOf = (...numbers: number[]): Set<string> => new Set(numbers.map(testUuid))

for (const { gone, left, current } of [
  { gone: [11], left: 'b(c d(e))', current: 15 },
  { gone: [12], left: 'a(c d(e))', current: 15 },
  { gone: [13], left: 'a(b(d(e)))', current: 15 },
  { gone: [14], left: 'a(b(c e))', current: 15 },
  { gone: [15], left: 'a(b(c d))', current: 14 },
  { gone: [14, 15], left: 'a(b(c))', current: 12 },
  { gone: [12, 14, 15], left: 'a(c)', current: 11 },
  { gone: [11, 12, 13], left: 'd(e)', current: 15 },
  { gone: [12, 13, 14, 15], left: 'a', current: 11 },
  { gone: [11, 12, 13, 14, 15], left: '', current: undefined },
]) {
  t.test(`removeSnapshots() leaves ${left || 'nothing'} without ${gone}`, async t => {
    const doc = removeSnapshots(documentOf(tree(15)), idsOf(...gone), NOW)
    const settings = readSettings(doc)
    t.equal(treeOf(doc), left)
    t.equal(settings.currentSnapshot, current && testUuid(current))
    t.equal(settings.currentStateModified, current !== 15)
    t.match(textOf(doc), ' lastStateChange="2026-03-04T05:06:07Z"')
    t.strictSame(misplacedLines(textOf(doc)), [])
    t.notMatch(textOf(doc), '<Snapshots/>')
    t.equal(textOf(doc).includes('currentSnapshot'), current !== undefined)
  })
}

t.test(
  'removeSnapshots() puts children behind the younger siblings of what goes, as VirtualBox does',
  async t => {
    const indent = '        '
    const older = snapshotText(12, 'b', 2, {
      indent,
      children: snapshotText(13, 'c', 3, { indent: `${indent}    ` }),
    })
    const text = settingsText({
      machine: ` currentSnapshot="{${testUuid(13)}}"`,
      between: snapshotText(11, 'a', 1, { children: `${older}\n${snapshotText(14, 'd', 4, { indent })}` }),
    })
    t.equal(treeOf(documentOf(text)), 'a(b(c) d)')
    const doc = removeSnapshots(documentOf(text), idsOf(12), NOW)
    t.equal(treeOf(doc), 'a(d c)')
    t.strictSame(misplacedLines(textOf(doc)), [])
  },
)

t.test('removeSnapshots() writes nothing but what goes', async t => {
  const doc = removeSnapshots(documentOf(tree(15)), idsOf(11, 12, 13, 14, 15), NOW)
  t.equal(textOf(doc), settingsText({ machine: ' lastStateChange="2026-03-04T05:06:07Z"' }))
  const unchanged = documentOf(tree(15))
  t.equal(textOf(removeSnapshots(unchanged, new Set(), NOW)), tree(15), 'not even the time without snapshots')
})

t.test('removeSnapshots() leaves lines inside a description alone', async t => {
  const text = tree(15).replace(
    '<Snapshots>',
    '<Description>a\n                b\n\n</Description>\n      <Snapshots>',
  )
  const moved = text.replace(
    `name="d" timeStamp="2026-01-02T00:00:00Z">`,
    '$&\n              <Description>\n                    </Description>',
  )
  const doc = removeSnapshots(documentOf(moved), idsOf(12), NOW)
  const [root, , d] = [...eachSnapshot(readSettings(doc).rootSnapshot)]
  t.equal(root?.description, 'a\n                b\n\n')
  t.equal(d?.description, '\n                    ')
})

t.test('removeSnapshots() refuses what would leave two first snapshots, or no current one', async t => {
  t.throws(() => removeSnapshots(documentOf(tree(15)), idsOf(11, 12), NOW), {
    code: 'branch_blocked',
    message: /2 snapshots would be the first one/,
  })
  t.throws(() => removeSnapshots(documentOf(tree(11)), idsOf(11), NOW), { code: 'branch_blocked' })
  t.throws(() => removeSnapshots(documentOf(tree(12)), idsOf(11, 12, 13), NOW), { code: 'branch_blocked' })
})

t.test('edits refuse a snapshot that is not there', async t => {
  const doc = documentOf(tree(15))
  t.throws(() => removeSnapshots(doc, idsOf(12, 99), NOW), {
    code: 'snapshot_not_found',
    message: testUuid(99),
  })
  t.throws(() => restoreState(doc, testUuid(99), none), { code: 'snapshot_not_found' })
  t.equal(textOf(doc), tree(15), 'a refused edit leaves the document as it was')
})

t.test('removeSnapshots() takes 500 snapshots in a row at once', async t => {
  const pieces = Array.from({ length: 499 }, (_, index) =>
    snapshotText(1001 + index, `s${index + 1}`, 1, { indent: '    '.repeat(index + 1), children: '@' }).split(
      '@',
    ),
  )
  const last = snapshotText(1500, 's500', 1, { indent: '    '.repeat(500) })
  const tails = pieces.map(([, tail]) => tail).reverse()
  const between = [...pieces.map(([head]) => head), last, ...tails].join('')
  const doc = documentOf(settingsText({ machine: ` currentSnapshot="{${testUuid(1500)}}"`, between }))
  const numbers = Array.from({ length: 500 }, (_, index) => 1001 + index)
  const kept = removeSnapshots(doc, idsOf(...numbers.filter(number => number % 100 !== 0)), NOW)
  t.equal(treeOf(kept), 's100(s200(s300(s400(s500))))')
  t.strictSame(misplacedLines(textOf(kept)), [])
  t.equal(
    textOf(removeSnapshots(doc, idsOf(...numbers), NOW)),
    settingsText({ machine: ' lastStateChange="2026-03-04T05:06:07Z"' }),
  )
})

t.test('addSnapshot() adds the first snapshot in front of the hardware', async t => {
  const doc = addSnapshot(documentOf(settingsText()), {
    ...ADDED,
    name: 'B "<&>\'\n ä',
    description: 'x\n "<&>\r ä',
    images: new Map([[testUuid(1), testUuid(2)]]),
  })
  const text = textOf(doc)
  t.match(
    text,
    ' OSType="Linux_64" currentSnapshot="{00000000-0000-4000-8000-000000000050}" snapshotFolder="Snapshots" currentStateModified="false" lastStateChange="2026-03-04T05:06:07Z">',
  )
  t.match(
    text,
    '    </MediaRegistry>\n    <Snapshot uuid="{00000000-0000-4000-8000-000000000050}" name="B &quot;&lt;&amp;&gt;\'&#10; &#xE4;" timeStamp="2026-03-04T05:06:07Z">\n      <Description>x\n "&lt;&amp;&gt;&#13; &#xE4;</Description>\n      <Hardware>\n        <CPU>',
  )
  t.match(text, '      </Hardware>\n    </Snapshot>\n    <Hardware>')
  const { rootSnapshot, currentState } = readSettings(doc)
  t.match(rootSnapshot, {
    name: 'B "<&>\'\n ä',
    description: 'x\n "<&>\r ä',
    attachments: [{ image: testUuid(1) }],
  })
  t.equal(currentState.attachments[0]?.image, testUuid(2))
})

t.test('addSnapshot() and restoreState() keep storage controllers where the file has them', async t => {
  const before = settingsText({ controllers: 'beside', version: '1.15-linux', image: testUuid(2) })
  const taken = addSnapshot(documentOf(before), { ...ADDED, images: new Map([[testUuid(2), testUuid(3)]]) })
  t.match(
    textOf(taken),
    '      </Hardware>\n      <StorageControllers>\n        <StorageController name="SATA"',
  )
  t.match(textOf(taken), '      </StorageControllers>\n    </Snapshot>\n    <Hardware>')
  const restored = restoreState(taken, ADDED.id, new Map([[testUuid(2), testUuid(4)]]))
  t.equal(textOf(restored), textOf(taken).replace(testUuid(3), testUuid(4)))
})

t.test('addSnapshot() gives a snapshot its own file of EFI variables, or none', async t => {
  const behind = '        <SmbiosUuidLittleEndian enabled="true"/>'
  const own = addSnapshot(documentOf(settingsText({ bios: behind })), {
    ...ADDED,
    nvramPath: 'Snapshots/a.nvram',
  })
  t.match(
    textOf(own),
    '          <IOAPIC enabled="true"/>\n          <NVRAM path="Snapshots/a.nvram"/>\n          <SmbiosUuid',
  )
  t.equal(readSettings(own).currentState.nvramFile, undefined)
  const named = settingsText({ bios: '        <NVRAM path="/efi/web.nvram"/>' })
  const without = readSettings(addSnapshot(documentOf(named), ADDED))
  t.equal(without.rootSnapshot?.nvramFile, undefined, 'never the file of the current state')
  t.equal(without.currentState.nvramFile, '/efi/web.nvram')
  const noBios = settingsText().replace(/ {6}<BIOS>[\s\S]*<\/BIOS>\n/, '')
  t.throws(() => addSnapshot(documentOf(noBios), { ...ADDED, nvramPath: 'a' }), { code: 'unsupported' })
})

t.test('addSnapshot() never copies a saved state', async t => {
  const doc = addSnapshot(documentOf(settingsText({ machine: ' stateFile="a.sav"' })), ADDED)
  t.equal(readSettings(doc).rootSnapshot?.stateFile, undefined)
})

t.test('addSnapshot() refuses characters that XML forbids', async t => {
  for (const part of [{ name: 'a\0' }, { description: 'a\x07' }, { name: '\ud800' }]) {
    t.throws(() => addSnapshot(documentOf(settingsText()), { ...ADDED, ...part }), {
      code: 'invalid_options',
    })
  }
})

t.test('restoreState() forgets a saved state and keeps the name of the EFI variables', async t => {
  const machine = ` stateFile="a.sav" currentSnapshot="{${testUuid(11)}}" lastStateChange="x" aborted="true"`
  const between = snapshotText(11, 'a', 1, { attributes: ' stateFile="b.sav"' })
    .replace(
      '      <Hardware>',
      '      <Hardware>\n        <BIOS>\n          <NVRAM path="b.nvram"/>\n        </BIOS>',
    )
    .replace('      </Hardware>', '      </Hardware>\n      <Recording enabled="true"/>')
  for (const bios of ['        <NVRAM path="web.nvram"/>', undefined]) {
    const text = settingsText({ machine, between, image: testUuid(7), ...(bios && { bios }) })
    const doc = restoreState(documentOf(text), testUuid(11), new Map([[testUuid(1), testUuid(8)]]))
    const settings = readSettings(doc)
    t.equal(settings.currentState.stateFile, undefined)
    t.equal(settings.currentState.nvramFile, bios && '/machine/web.nvram')
    t.equal(settings.currentState.attachments[0]?.image, testUuid(8))
    t.equal(settings.aborted, false)
    t.equal(settings.currentStateModified, false)
    t.match(
      textOf(doc),
      `currentSnapshot="{${testUuid(11)}}" currentStateModified="false" lastStateChange="2026-01-02T00:00:00Z">`,
    )
    t.match(textOf(doc), '    </Hardware>\n    <Recording enabled="true"/>\n    <Groups>')
    t.match(textOf(doc), '    <Hardware>\n      <BIOS')
    t.equal(settings.rootSnapshot?.stateFile, '/machine/b.sav', 'the snapshot keeps its own')
    t.strictSame(misplacedLines(textOf(doc)), [])
  }
})

t.test('discardSavedState() changes nothing without a saved state', async t => {
  t.equal(textOf(discardSavedState(documentOf(tree(15)), NOW)), tree(15))
})

t.test('discardSavedState() ends the state aborted-saved, too', async t => {
  const machine = ' stateFile="a.sav" currentStateModified="false" lastStateChange="x" aborted="true"'
  const text = textOf(discardSavedState(documentOf(settingsText({ machine })), NOW))
  t.equal(text, settingsText({ machine: ' lastStateChange="2026-03-04T05:06:07Z"' }))
})

t.test('setCurrentStateModified() writes false and nothing else', async t => {
  const doc = setCurrentStateModified(documentOf(settingsText()), false)
  t.match(textOf(doc), 'snapshotFolder="Snapshots" currentStateModified="false" lastStateChange=')
  t.equal(textOf(setCurrentStateModified(doc, true)), settingsText())
})

t.test('random takes, restores and deletes keep tree and file in order', async t => {
  const random = testRandom(t)
  const until = Date.now() + randomSeconds(1) * 1000
  let next = 1000
  while (Date.now() < until) {
    let doc = documentOf(settingsText())
    for (let round = 0; round < 12; round++) {
      const before = readSettings(doc)
      const snapshots = [...eachSnapshot(before.rootSnapshot)]
      const kind = random.below(3)
      if (kind === 0 || snapshots.length === 0) {
        const id = testUuid(next++)
        doc = addSnapshot(doc, { ...ADDED, id, name: `s${next}` })
        t.equal(parentOf(readSettings(doc), id), before.currentSnapshot)
      } else if (kind === 1) {
        const { id, attachments } = random.pick(snapshots)
        doc = restoreState(doc, id, none)
        t.equal(readSettings(doc).currentSnapshot, id)
        t.strictSame(readSettings(doc).currentState.attachments, attachments)
      } else {
        doc = removeRandomly(
          doc,
          before,
          snapshots,
          new Set(snapshots.filter(() => random.below(3) === 0).map(({ id }) => id)),
        )
      }
      t.strictSame(misplacedLines(textOf(doc)), [])
    }
  }
  t.ok(next > 1000)

  function removeRandomly(
    doc: SettingsDocument,
    before: MachineSettings,
    snapshots: readonly Snapshot[],
    gone: ReadonlySet<string>,
  ): SettingsDocument {
    let result: SettingsDocument
    try {
      result = removeSnapshots(doc, gone, NOW)
    } catch (error) {
      t.match(error, { code: 'branch_blocked' })
      return doc
    }
    const after = readSettings(result)
    for (const snapshot of snapshots) {
      if (gone.has(snapshot.id)) continue
      t.equal(parentOf(after, snapshot.id), keptAncestor(before, snapshot.parent, gone))
    }
    t.equal([...eachSnapshot(after.rootSnapshot)].length, snapshots.length - gone.size)
    t.equal(after.currentSnapshot, keptAncestor(before, before.currentSnapshot, gone))
    return result
  }
})

function parentOf(settings: MachineSettings, id: string): string | undefined {
  return [...eachSnapshot(settings.rootSnapshot)].find(snapshot => snapshot.id === id)?.parent
}

function keptAncestor(
  settings: MachineSettings,
  id: string | undefined,
  gone: ReadonlySet<string>,
): string | undefined {
  let kept = id
  while (kept !== undefined && gone.has(kept)) kept = parentOf(settings, kept)
  return kept
}

/** The lines of tags that are not indented by two spaces for each element around them. */
function misplacedLines(text: string): string[] {
  const wrong: string[] = []
  let depth = 0
  for (const line of text.split('\n')) {
    const tag = /^( *)<(\/?)[A-Za-z]/.exec(line)
    if (tag === null) continue
    if (tag[2] === '/') depth--
    if (tag[1]?.length !== depth * 2) wrong.push(line)
    if (tag[2] === '' && !line.endsWith('/>') && !line.includes('</')) depth++
  }
  return wrong
}
