import { VboxmergeError } from '../errors.ts'
import { firstThatRuns, type Host, pathCandidates, pathRules, variable } from './search_path.ts'

/** Folders of VirtualBox's own packages and of those of distributions, where PATH does not name them. */
const UNIX_FOLDERS = [
  '/usr/bin',
  '/usr/local/bin',
  '/opt/VirtualBox',
  '/usr/lib/virtualbox',
  '/usr/lib64/virtualbox',
  '/run/current-system/sw/bin',
]

/** Where the macOS installer puts VirtualBox (it also links the program into /usr/local/bin). */
const MAC_FOLDERS = ['/usr/local/bin', '/Applications/VirtualBox.app/Contents/MacOS']

/** Set by VirtualBox's Windows installer; the first since 4.3.12, the second before. */
const WINDOWS_VARIABLES = ['VBOX_MSI_INSTALL_PATH', 'VBOX_INSTALL_PATH']

/** Where VBoxManage may be when nobody names it, the likeliest first. */
export function vboxManageCandidates(host: Host): string[] {
  if (host.platform !== 'win32') {
    const names = ['VBoxManage', 'vboxmanage']
    const folders = host.platform === 'darwin' ? MAC_FOLDERS : UNIX_FOLDERS
    return [...pathCandidates(host, names), ...folders.map(folder => `${folder}/VBoxManage`)]
  }
  const { join, isAbsolute } = pathRules(host)
  const named = WINDOWS_VARIABLES.flatMap(name => variable(host, name) ?? [])
  const programs = ['ProgramW6432', 'ProgramFiles'].flatMap(name => variable(host, name) ?? [])
  const folders = [...named, ...programs.map(folder => join(folder, 'Oracle', 'VirtualBox'))]
  return [
    ...pathCandidates(host, ['VBoxManage.exe']),
    ...folders.filter(isAbsolute).map(folder => join(folder, 'VBoxManage.exe')),
  ]
}

/**
 * Finds VBoxManage: the path that the caller gives, else `$VBOXMANAGE`, else PATH, the folder that VirtualBox's
 * installer names, and the usual folders. A path that somebody gives is taken or refused, never replaced.
 *
 * @returns undefined when VirtualBox is not found; whether that matters is for the caller to say.
 * @throws {VboxmergeError} `invalid_options` when the path that was given cannot be run.
 */
export async function findVBoxManage(host: Host, given?: string): Promise<string | undefined> {
  const fromVariable = variable(host, 'VBOXMANAGE')
  const wanted = given ?? fromVariable
  if (wanted === undefined) return firstThatRuns(host, vboxManageCandidates(host))
  const { isAbsolute, basename } = pathRules(host)
  const paths = basename(wanted) === wanted ? pathCandidates(host, withEnding(host, wanted)) : [wanted]
  const found = await firstThatRuns(host, paths)
  if (found !== undefined) return isAbsolute(found) ? found : pathRules(host).resolve(found)
  const source = given === undefined ? 'the variable VBOXMANAGE' : 'the option vboxmanage'
  throw new VboxmergeError(
    'invalid_options',
    `Cannot run VBoxManage ${JSON.stringify(wanted)}: no such program; correct ${source} or leave it out`,
  )
}

function withEnding({ platform }: Host, name: string): string[] {
  return platform === 'win32' && !/\.exe$/i.test(name) ? [`${name}.exe`] : [name]
}
