import { isAbsolute } from 'node:path'
import type { SnapshotRef } from '../ensure/result.ts'
import { VboxmergeError } from '../errors.ts'
import type { Uuid } from '../machine/machine.ts'
import {
  type ListedMachine,
  type MachineState,
  parseMachineList,
  parseMachineState,
} from './machine_state.ts'
import { type CallOptions, callManage, type ManageSetup } from './manage_call.ts'
import { type MediumInfo, parseMediumInfo } from './medium_info.ts'
import { printable } from './printable.ts'
import { checkedUuid } from './uuid.ts'
import { parseVersion, type VirtualBoxVersion } from './versions.ts'

/**
 * The calls of VBoxManage that this project makes.
 *
 * Machines, snapshots and images are named by UUID, never by a name that VBoxManage could take for an option or
 * that another one has too; a malformed or zero UUID is a `TypeError` before anything is called. All calls
 * reject with a `VboxmergeError` as `callManage` says.
 */
export interface Manage {
  version(): Promise<VirtualBoxVersion>
  /** Every registered machine is in it; names can make it seem that there are more. */
  listMachines(): Promise<ListedMachine[]>
  /** UUIDs of the machines that run; names can make it seem that there are more. */
  runningMachines(): Promise<Set<Uuid>>
  machineState(machine: Uuid, options?: CallOptions): Promise<MachineState>
  unregister(machine: Uuid, options?: CallOptions): Promise<void>
  /** @param settingsFile absolute path of the `.vbox` file */
  register(settingsFile: string, options?: CallOptions): Promise<void>
  /** Returns the UUID of the new snapshot; undefined when VBoxManage does not tell (before 5.0). */
  takeSnapshot(
    machine: Uuid,
    name: string,
    description: string,
    options?: CallOptions,
  ): Promise<Uuid | undefined>
  deleteSnapshot(machine: Uuid, snapshot: SnapshotRef, options?: CallOptions): Promise<void>
  restoreSnapshot(machine: Uuid, snapshot: SnapshotRef, options?: CallOptions): Promise<void>
  discardState(machine: Uuid, options?: CallOptions): Promise<void>
  compactImage(image: Uuid, options?: CallOptions): Promise<void>
  /** Makes VirtualBox look at the image file again, too. */
  mediumInfo(image: Uuid, options?: CallOptions): Promise<MediumInfo>
  /** Makes VirtualBox forget an image that is attached to no machine; the file stays. */
  forgetImage(image: Uuid, options?: CallOptions): Promise<void>
  /** @param value an empty one removes the key */
  setExtraData(machine: Uuid, key: string, value: string, options?: CallOptions): Promise<void>
}

/** Returns the calls of the VBoxManage that `setup` describes. */
export function createManage(setup: ManageSetup): Manage {
  const read = (action: string, args: readonly string[], options?: CallOptions): Promise<string> =>
    callManage(setup, { action, args, options })
  const change = async (
    machine: Uuid | undefined,
    action: string,
    args: readonly string[],
    options?: CallOptions,
  ): Promise<string> => {
    const about = machine === undefined ? {} : { machine }
    return callManage(setup, { action, args, changes: true, options, ...about })
  }
  const snapshotCall = async (
    verb: 'delete' | 'restore',
    machine: Uuid,
    { id, name }: SnapshotRef,
    options?: CallOptions,
  ): Promise<void> => {
    const args = ['snapshot', checkedUuid(machine), verb, checkedUuid(id)]
    await change(machine, `${verb} snapshot "${printable(name)}"`, args, options)
  }

  return {
    version: async () => {
      const stdout = await read('ask for the version of VirtualBox', ['--version'])
      const version = parseVersion(stdout)
      if (version !== undefined) return version
      const found = printable(stdout.trim().slice(0, 200))
      throw new VboxmergeError(
        'engine_failed',
        `Cannot use ${JSON.stringify(setup.file)}: it says ${JSON.stringify(found)} when asked for its version; name the right program with vboxmanage=PATH`,
      )
    },

    listMachines: async () => parseMachineList(await read('list the machines', ['list', 'vms'])),

    runningMachines: async () => {
      const stdout = await read('list the running machines', ['list', 'runningvms'])
      const ids = stdout.matchAll(/ \{([0-9a-f-]{36})\}\r?$/gim)
      return new Set([...ids].map(([, id = '']) => id.toLowerCase()))
    },

    machineState: async (machine, options) => {
      const args = ['showvminfo', checkedUuid(machine), '--machinereadable']
      return parseMachineState(await read('ask for the state of the machine', args, options))
    },

    unregister: async (machine, options) => {
      await change(machine, 'unregister the machine', ['unregistervm', checkedUuid(machine)], options)
    },

    register: async (settingsFile, options) => {
      if (!isAbsolute(settingsFile))
        throw new TypeError(`Cannot register ${JSON.stringify(settingsFile)}: not absolute`)
      const action = `register "${printable(settingsFile)}"`
      await change(undefined, action, ['registervm', settingsFile], options)
    },

    takeSnapshot: async (machine, name, description, options) => {
      // The word behind "take" is the name whatever it looks like, and what is glued to an option its value.
      const about = description === '' ? [] : [`--description=${description}`]
      const args = ['snapshot', checkedUuid(machine), 'take', name, ...about]
      const stdout = await change(machine, `take snapshot "${printable(name)}"`, args, options)
      return /^Snapshot taken\. UUID: ([0-9a-f-]{36})\r?$/m.exec(stdout)?.[1]?.toLowerCase()
    },

    deleteSnapshot: (machine, snapshot, options) => snapshotCall('delete', machine, snapshot, options),

    restoreSnapshot: (machine, snapshot, options) => snapshotCall('restore', machine, snapshot, options),

    discardState: async (machine, options) => {
      await change(machine, 'discard the saved state', ['discardstate', checkedUuid(machine)], options)
    },

    compactImage: async (image, options) => {
      const args = ['modifymedium', 'disk', checkedUuid(image), '--compact']
      await change(undefined, `compact image ${image}`, args, options)
    },

    mediumInfo: async (image, options) => {
      const args = ['showmediuminfo', 'disk', checkedUuid(image)]
      return parseMediumInfo(await read(`look at image ${image}`, args, options))
    },

    forgetImage: async (image, options) => {
      const args = ['closemedium', 'disk', checkedUuid(image)]
      await change(undefined, `make VirtualBox forget image ${image}`, args, options)
    },

    setExtraData: async (machine, key, value, options) => {
      if (!/^[A-Za-z0-9]/.test(key)) throw new TypeError(`Cannot set extra data "${key}": bad key`)
      const args = ['setextradata', checkedUuid(machine), key, value]
      await change(machine, `remember "${printable(key)}" at the machine`, args, options)
    },
  }
}
