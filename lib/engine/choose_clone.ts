import type { ClonePlan } from '../ensure/plan_clone.ts'
import { VboxmergeError } from '../errors.ts'
import type { Inspection } from '../machine/inspection.ts'
import type { EngineChoice, EngineWish } from './choose.ts'
import { applyClone, type CloneRun } from './direct/clone_machine.ts'

/**
 * Chooses the engine for a clone. There is one: VBoxManage would write free blocks and old blocks of zeros, too, and
 * cannot swap a clone for another one. It is needed all the same to register what belongs into VirtualBox.
 *
 * @param hasManage Tells whether there is a VBoxManage; asked only for registered machines.
 */
export async function chooseCloneEngine(
  machine: Inspection,
  { disks }: ClonePlan,
  wish: EngineWish,
  hasManage: () => Promise<boolean>,
): Promise<EngineChoice> {
  const against = await whyNot(machine, disks, wish, hasManage)
  const name = JSON.stringify(machine.settings.name)
  return {
    name: 'direct',
    reason: wish.engine === 'direct' ? 'It was asked for' : 'No other engine makes clones',
    refusal:
      against === undefined
        ? undefined
        : new VboxmergeError('unsupported', `Cannot clone ${name}: ${against}`),
  }
}

async function whyNot(
  machine: Inspection,
  disks: ClonePlan['disks'],
  { engine }: EngineWish,
  hasManage: () => Promise<boolean>,
): Promise<string | undefined> {
  if (engine === 'virtualbox')
    return 'engine "virtualbox" makes no clones; choose engine=direct or engine=auto'
  const chains = disks.flatMap(({ chain }) => chain).map(id => machine.images.get(id)?.medium)
  const foreign = chains.find(medium => medium !== undefined && medium.format.toUpperCase() !== 'VDI')
  if (foreign !== undefined) {
    return `the image ${JSON.stringify(foreign.path)} has the format ${foreign.format}, and only VDI is read; let VirtualBox clone it (VBoxManage clonevm)`
  }
  if (!machine.registration.registered || (await hasManage())) return undefined
  return (
    'the machine is registered with VirtualBox, and VBoxManage was not found to register its clone, too; say where ' +
    'it is with vboxmanage=PATH'
  )
}

/** Makes a clone with the chosen engine. */
export async function applyCloneRun(run: CloneRun): Promise<void> {
  await applyClone(run)
}

export type { CloneRun }
