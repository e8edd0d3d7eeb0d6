import t from 'tap'
import { chooseEngine } from '../../lib/engine/choose.ts'
import { planTree } from '../../lib/ensure/plan_tree.ts'
import { NOTHING } from '../../lib/ensure/wanted.ts'
import type { Inspection, InterruptedRun } from '../../lib/machine/inspection.ts'
import { plannedInspection } from '../fixtures/planned_inspection.ts'

const wanted = { ...NOTHING, baseSnapshot: { name: 'Base', description: '' } }
const found = async (): Promise<boolean> => true

/** A machine whose base another registered machine reads. */
function sharedMachine(registered: boolean, interrupted?: InterruptedRun): Inspection {
  const machine = plannedInspection({ disks: [{}], snapshots: ['one'] })
  const [base] = machine.settings.media
  return {
    ...machine,
    registration: { registered, ownRegistryComplete: true },
    sharedWith: new Map([[base?.id ?? '', 'copy']]),
    interrupted,
  }
}

t.test('a machine of which another one reads an image is not taken out of VirtualBox', async t => {
  const machine = sharedMachine(true)
  const tree = planTree(machine, wanted)
  const auto = await chooseEngine(machine, tree, { engine: 'auto', registration: 'auto' }, found)
  t.equal(auto.name, 'virtualbox')
  t.equal(auto.refusal, undefined)
  t.match(auto.reason, /the machine "copy" reads the image ".*disk0\.vdi", too/)
  const direct = await chooseEngine(machine, tree, { engine: 'direct', registration: 'auto' }, found)
  t.match(direct.refusal?.message, /engine "direct" cannot: the machine "copy" reads/)
})

t.test('such a machine is worked on directly where VirtualBox does not know it', async t => {
  const machine = sharedMachine(false)
  const tree = planTree(machine, wanted)
  const choice = await chooseEngine(machine, tree, { engine: 'auto', registration: 'auto' }, found)
  t.match(choice, { name: 'direct', refusal: undefined })
})

t.test('what the direct engine began on such a machine it may finish', async t => {
  const begun = {
    reached: 'first_commit',
    registered: true,
    relinks: [],
    unwanted: new Set<string>(),
    settles: undefined,
  } as const
  const machine = sharedMachine(true, begun)
  const tree = planTree(machine, wanted)
  const choice = await chooseEngine(machine, tree, { engine: 'auto', registration: 'auto' }, found)
  t.match(choice, { name: 'direct', refusal: undefined })
})
