// Makes collections/ansible_collections/vboxmerge/virtualbox/, where Ansible looks for what the playbooks name. It
// holds links to the parts of this checkout that are the collection.
import { existsSync, mkdirSync, rmSync, symlinkSync } from 'node:fs'

const PARTS = ['galaxy.yml', 'meta', 'playbooks', 'plugins', 'roles']

/** Makes the folder anew. Ansible itself does not run on Windows, where links need a permission. */
export function linkCollection(root) {
  const folder = `${root}/collections/ansible_collections/vboxmerge/virtualbox`
  rmSync(folder, { recursive: true, force: true })
  if (process.platform === 'win32') return
  mkdirSync(folder, { recursive: true })
  for (const part of PARTS) {
    if (existsSync(`${root}/${part}`)) symlinkSync(`../../../../${part}`, `${folder}/${part}`)
  }
}
