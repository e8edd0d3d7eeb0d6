// The ways that are compared: what vboxmerge does, and what VirtualBox's own tools do to the same end.
import { existsSync, readdirSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { fillWithZeros, writeRaw } from './guest_disk.mjs'
import { callCli, NAME } from './measure_run.mjs'

/** Deletes all snapshots, newest first. */
async function deleteAll({ virtualBox }, { snapshots }) {
  for (let state = snapshots; state >= 1; state--) {
    await virtualBox.manage('snapshot', NAME, 'delete', `s${state}`)
  }
}

/** As the script of 2010 went about it: after each delete it looked whether the snapshot is gone. */
async function deleteAndLook(run, { snapshots }) {
  for (let state = snapshots; state >= 1; state--) {
    await run.virtualBox.manage('snapshot', NAME, 'delete', `s${state}`)
    await run.virtualBox.manage('showvminfo', NAME, '--machinereadable')
  }
}

async function compactAll({ virtualBox, machineFolder }, { disks }) {
  for (const { name } of disks) {
    await virtualBox.manage('modifymedium', 'disk', join(machineFolder, `${name}.vdi`), '--compact')
  }
}

const takeBase = ({ virtualBox }) => virtualBox.manage('snapshot', NAME, 'take', 'Base')

const ours = (name, registered, command) => ({
  name,
  registered,
  isOurs: true,
  work: run => callCli(run, command),
})

/** All into the base; the first is what the others are compared with. */
export const merging = recipe => [
  { name: 'VirtualBox: snapshot delete', registered: true, work: run => deleteAll(run, recipe) },
  ours('vboxmerge merge', false, ['merge', '--engine=direct']),
  ours('vboxmerge merge, registered', true, ['merge', '--engine=direct']),
  ours('vboxmerge merge, engine virtualbox', true, ['merge', '--engine=virtualbox']),
  { name: 'calls of the script of 2010', registered: true, work: run => deleteAndLook(run, recipe) },
]

/** As `merging`, without blocks of zeros, and with a snapshot on top. */
export const goldening = recipe => [
  {
    name: 'VirtualBox: delete, compact, take',
    registered: true,
    work: async run => {
      await deleteAll(run, recipe)
      await compactAll(run, recipe)
      await takeBase(run)
    },
  },
  ours('vboxmerge golden', false, ['golden', '--free-space=keep', '--engine=direct']),
  ours('vboxmerge golden, registered', true, ['golden', '--free-space=keep', '--engine=direct']),
]

/** A flat machine beside the first, registered as that is. */
export const cloning = () => {
  const clone = {
    registered: true,
    outcomeIn: folder => join(folder, 'copied', 'copied.vbox'),
    inspect: async ({ folder, virtualBox }) => {
      await virtualBox.wake()
      await virtualBox.manage('unregistervm', 'copied')
      await virtualBox.settle()
      return { bytes: bytesIn(join(folder, 'copied')) }
    },
  }
  const clonevm = ({ virtualBox, folder }) =>
    virtualBox.manage('clonevm', NAME, '--name', 'copied', '--register', '--basefolder', folder)
  const command = ['clone', '--clone-name=copied', '--free-space=keep']
  return [
    { ...clone, name: 'VirtualBox: clonevm', work: clonevm },
    { ...clone, ...ours('vboxmerge clone', true, command) },
  ]
}

/**
 * Merged, without what the guest's file system does not use, and with a snapshot on top. Whoever has nothing but
 * VirtualBox's tools starts the guest and has it fill its disk with zeros; a mount stands in for that.
 */
export const goldeningGuest = (recipe, { guest, vboxImg }) => [
  {
    name: 'VirtualBox: delete, zeros in the guest, compact, take',
    registered: true,
    mayRestart: true,
    work: async run => {
      await deleteAll(run, recipe)
      run.clock.pause()
      await run.virtualBox.settle()
      await fillWithZeros(guest, join(run.machineFolder, `${recipe.disks[0].name}.vdi`), run.clock)
      await run.virtualBox.wake()
      run.clock.resume()
      await compactAll(run, recipe)
      await takeBase(run)
    },
    inspect: run => filesIn(guest, run, recipe),
  },
  {
    name: 'VirtualBox: delete, vbox-img --filesystemaware, take',
    registered: true,
    mayRestart: true,
    work: async run => {
      await deleteAll(run, recipe)
      run.clock.pause()
      await run.virtualBox.settle()
      run.clock.resume()
      vboxImg(join(run.machineFolder, `${recipe.disks[0].name}.vdi`))
      run.clock.pause()
      await run.virtualBox.wake()
      run.clock.resume()
      await takeBase(run)
    },
    inspect: run => filesIn(guest, run, recipe),
  },
  {
    ...ours('vboxmerge golden', false, ['golden', '--engine=direct']),
    inspect: run => filesIn(guest, run, recipe),
  },
]

/** Nothing but the guest's files has to be the same: what is free may read otherwise. */
async function filesIn(guest, { machineFolder }, { disks }) {
  const raw = join(machineFolder, 'looked-at.raw')
  try {
    writeRaw(join(machineFolder, `${disks[0].name}.vdi`), raw)
    return { digest: guest.hashOf(raw) }
  } catch {
    return { digest: 'does not mount' }
  } finally {
    rmSync(raw, { force: true })
  }
}

function bytesIn(folder) {
  if (!existsSync(folder)) return 0
  const names = readdirSync(folder, { recursive: true }).filter(name => name.endsWith('.vdi'))
  return names.reduce((sum, name) => sum + statSync(join(folder, name)).size, 0)
}
