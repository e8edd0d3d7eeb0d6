import { posix, win32 } from 'node:path'

/** What a search for programs looks at. */
export interface Host {
  readonly env: Readonly<Record<string, string | undefined>>
  readonly platform: NodeJS.Platform
  /** Whether this user can run the file at a path. */
  readonly canRun: (path: string) => Promise<boolean>
  /** Whether a program may be run only by leave to run just this one (Deno), which a shell in between would undo. */
  readonly isGuarded?: boolean
}

/** A variable of the environment; on Windows, where names have no case, in any spelling. */
export function variable({ env, platform }: Host, name: string): string | undefined {
  if (platform !== 'win32') return env[name] || undefined
  const found = Object.keys(env).find(key => key.toUpperCase() === name.toUpperCase())
  return found === undefined ? undefined : env[found] || undefined
}

/** The rules for paths of the host's platform. */
export function pathRules({ platform }: Host): typeof posix {
  return platform === 'win32' ? win32 : posix
}

/** Where PATH looks for a program, in its order; relative folders are left out, they depend on the place. */
export function pathCandidates(host: Host, names: readonly string[]): string[] {
  const rules = pathRules(host)
  const folders = (variable(host, 'PATH') ?? '').split(rules.delimiter).map(folder => folder.trim())
  return folders
    .map(folder => (host.platform === 'win32' ? folder.replace(/^"(.*)"$/, '$1') : folder))
    .filter(folder => rules.isAbsolute(folder))
    .flatMap(folder => names.map(name => rules.join(folder, name)))
}

/** The first of some paths that can be run. */
export async function firstThatRuns(host: Host, paths: readonly string[]): Promise<string | undefined> {
  for (const path of paths) if (await host.canRun(path)) return path
  return undefined
}
