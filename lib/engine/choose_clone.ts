import type { ClonePlan } from '../ensure/plan_clone.ts'
import { VboxmergeError } from '../errors.ts'
import type { Files } from '../io/files.ts'
import type { CloneJournal } from '../machine/clone_journal.ts'
import type { Inspection } from '../machine/inspection.ts'
import type { MachineSettings } from '../machine/machine.ts'
import type { EngineChoice, EngineWish } from './choose.ts'
import { finishClone, undoClone } from './direct/clone_clean_up.ts'
import { applyClone, type CloneRun } from './direct/clone_machine.ts'
import type { MeasuredDisk } from './measure_clone.ts'

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

/** Makes a clone with the chosen engine; returns its disks as they were written. */
export async function applyCloneRun(run: CloneRun): Promise<readonly MeasuredDisk[]> {
  return await applyClone(run)
}

/**
 * Removes what an interrupted run left beside a clone, with its journal.
 *
 * @param settings Those that are in place: the new clone's, or the older one's when the run died before its commit.
 */
export async function finishCloneRun(
  files: Files,
  settings: MachineSettings,
  journal: CloneJournal,
): Promise<void> {
  if (settings.id === journal.clone) await finishClone(files, settings, journal)
  else await undoClone(files, settings.file, journal)
}

export type { CloneRun }
