// Makes the machine that is measured, and has its files on the disk and out of the cache.
import { execFileSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { writeBlocks } from './vdi_leaf.mjs'

/** Makes the machine with VirtualBox, writes its data into the leaves of each state, and unregisters it. */
export async function makeMachine(virtualBox, folder, name, recipe) {
  const { manage } = virtualBox
  mkdirSync(folder)
  await virtualBox.wake()
  await manage('createvm', '--name', name, '--ostype', 'Linux_64', '--register', '--basefolder', folder)
  const settingsFolder = join(folder, name)
  await manage('storagectl', name, '--name', 'SATA', '--add', 'sata')
  for (const [port, disk] of recipe.disks.entries()) {
    // In the machine's folder, so that its settings name it relative to themselves and a copy is complete.
    const path = join(settingsFolder, `${disk.name}.vdi`)
    await manage('createmedium', 'disk', '--filename', path, '--size', String(disk.capacityMiB))
    const place = ['--storagectl', 'SATA', '--port', String(port), '--device', '0', '--type', 'hdd']
    await manage('storageattach', name, ...place, '--medium', path)
  }
  for (let state = 0; state <= recipe.snapshots; state++) {
    if (state > 0) await manage('snapshot', name, 'take', `s${state}`)
    const leaves = await attachedImages(virtualBox, name)
    for (const [port, { states, content }] of recipe.disks.entries()) {
      await writeBlocks(leaves[port], states[state], content(state))
    }
  }
  await manage('unregistervm', name)
  await virtualBox.settle()
  const settings = readFileSync(join(settingsFolder, `${name}.vbox`), 'utf8')
  if (settings.includes(folder)) throw new Error('Cannot copy the machine: its settings name the original')
}

/** Returns the images of the current state, by port. */
async function attachedImages(virtualBox, machine) {
  const text = await virtualBox.manage('showvminfo', machine, '--machinereadable')
  const found = [...text.matchAll(/^"SATA-(\d+)-0"="(.*\.vdi)"$/gm)]
  return Object.fromEntries(found.map(([, port, path]) => [port, path]))
}

function images(folder) {
  const files = readdirSync(folder, { recursive: true }).map(String)
  return files.filter(file => file.endsWith('.vdi')).map(file => join(folder, file))
}

/** Waits until the images are on the disk; VirtualBox itself does not. */
export function flush(folder) {
  const paths = images(folder)
  if (paths.length > 0) execFileSync('sync', paths)
}

/** Drops the images, and nothing else, from the system's cache; that needs no permission. */
export function dropFromCache(folder) {
  for (const image of images(folder)) {
    execFileSync('dd', [`if=${image}`, 'iflag=nocache', 'count=0', 'status=none'])
  }
}
