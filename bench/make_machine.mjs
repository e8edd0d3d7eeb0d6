// Makes the machine that is measured, and has its files on the disk and out of the cache.
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { writeBlocks } from './vdi_leaf.mjs'

/** Makes the machine with VirtualBox, writes its data into the leaf of each state, and unregisters it. */
export async function makeMachine(virtualBox, folder, name, recipe) {
  const { manage } = virtualBox
  mkdirSync(folder)
  await virtualBox.wake()
  await manage('createvm', '--name', name, '--ostype', 'Linux_64', '--register', '--basefolder', folder)
  const settingsFolder = join(folder, name)
  // In the machine's folder, so that its settings name it relative to themselves and a copy is complete.
  const disk = join(settingsFolder, 'disk.vdi')
  await manage('storagectl', name, '--name', 'SATA', '--add', 'sata')
  await manage('createmedium', 'disk', '--filename', disk, '--size', String(recipe.capacityMiB))
  const place = ['--storagectl', 'SATA', '--port', '0', '--device', '0', '--type', 'hdd']
  await manage('storageattach', name, ...place, '--medium', disk)
  let leaf = disk
  for (const [state, blocks] of recipe.states.entries()) {
    if (state > 0) leaf = await takeSnapshot(virtualBox, name, settingsFolder, `s${state}`)
    await writeBlocks(leaf, blocks, recipe.content(state))
  }
  await manage('unregistervm', name)
  await virtualBox.settle()
  const settings = readFileSync(join(settingsFolder, `${name}.vbox`), 'utf8')
  if (settings.includes(folder)) throw new Error('Cannot copy the machine: its settings name the original')
}

/** Returns the new image that the current state got. */
async function takeSnapshot(virtualBox, machine, settingsFolder, name) {
  const images = join(settingsFolder, 'Snapshots')
  const before = new Set(existsSync(images) ? readdirSync(images) : [])
  await virtualBox.manage('snapshot', machine, 'take', name)
  const added = readdirSync(images).filter(file => !before.has(file) && file.endsWith('.vdi'))
  if (added.length !== 1) throw new Error(`Cannot find the image of ${name}: ${added.length} are new`)
  return join(images, added[0])
}

function images(folder) {
  const files = readdirSync(folder, { recursive: true }).map(String)
  return files.filter(file => file.endsWith('.vdi')).map(file => join(folder, file))
}

/** Waits until the images are on the disk; VirtualBox itself does not. */
export function flush(folder) {
  execFileSync('sync', images(folder))
}

/** Drops the images, and nothing else, from the system's cache; that needs no permission. */
export function dropFromCache(folder) {
  for (const image of images(folder)) {
    execFileSync('dd', [`if=${image}`, 'iflag=nocache', 'count=0', 'status=none'])
  }
}
