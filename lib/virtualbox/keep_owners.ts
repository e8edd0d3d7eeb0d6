import type { FileStat, Files } from '../io/files.ts'

/**
 * Notes who owns some settings files, for an administrator who has VirtualBox work on another user's machine: VirtualBox
 * makes each file anew whenever it saves, and the new ones belong to whom its process belongs (7.2.22, measured). Its
 * user could not even start VirtualBox again.
 *
 * @param paths a machine's `.vbox` and the `VirtualBox.xml` of VirtualBox's home
 * @returns what gives the files, and those of before beside them, back to their owners
 */
export async function noteOwners(files: Files, paths: readonly string[]): Promise<() => Promise<void>> {
  const noted: { readonly path: string; readonly stat: FileStat }[] = []
  for (const path of paths) {
    const stat = await statOf(files, path)
    if (stat !== undefined) noted.push({ path, stat })
  }
  return async () => {
    for (const { path, stat } of noted) {
      for (const name of [path, `${path}-prev`]) await giveBack(files, name, stat)
    }
  }
}

async function giveBack(files: Files, path: string, { owner, group, mode }: FileStat): Promise<void> {
  const stat = await statOf(files, path)
  if (stat === undefined || (stat.owner === owner && stat.group === group && stat.mode === mode)) return
  const file = await files.open((await files.realPath(path)) ?? path, 'read')
  try {
    await file.copyOwner({ ...stat, owner, group, mode })
  } finally {
    await file.close()
  }
}

/** The home's file may be a link, as people keep their settings elsewhere. */
async function statOf(files: Files, path: string): Promise<FileStat | undefined> {
  const real = await files.realPath(path)
  const stat = real === undefined ? undefined : await files.stat(real)
  return stat?.kind === 'file' ? stat : undefined
}
