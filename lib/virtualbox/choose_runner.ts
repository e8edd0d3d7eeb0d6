import { execRunner } from './exec_runner.ts'
import type { Runner } from './runner.ts'
import { firstThatRuns, type Host, pathCandidates } from './search_path.ts'
import { zxRunner } from './zx_runner.ts'

/** What decides how VBoxManage is run. */
export interface RunnerChoice extends Host {
  /** A caller's own zx `$`. */
  readonly $?: unknown
}

/**
 * Says how VBoxManage is to be run: by a caller's `$`; else by zx where there is a bash; else, and under Deno,
 * without a shell.
 *
 * On Windows a `$` is used only when its shell is a bash: zx's quoting for PowerShell leaves characters that
 * have a meaning there (`@` and `,`), so a snapshot's name could be misread.
 */
export async function runnerKind(choice: RunnerChoice): Promise<'zx' | 'exec'> {
  const { $, platform } = choice
  if (platform === 'win32') return hasBash($) ? 'zx' : 'exec'
  if ($ !== undefined) return 'zx'
  if (choice.isGuarded === true) return 'exec'
  const bash = await firstThatRuns(choice, pathCandidates(choice, ['bash']))
  return bash !== undefined && (await zxLoads()) ? 'zx' : 'exec'
}

/** Returns a runner that decides with `runnerKind` when it is first used, and loads zx only then. */
export function chooseRunner(choice: RunnerChoice): Runner {
  let kind: Promise<'zx' | 'exec'> | undefined
  return async (file, args, options) => {
    kind ??= runnerKind(choice)
    const runner = (await kind) === 'zx' ? zxRunner(choice.$) : execRunner
    return runner(file, args, options)
  }
}

function hasBash($: unknown): boolean {
  const shell: unknown = typeof $ === 'function' ? Reflect.get($, 'shell') : undefined
  return typeof shell === 'string' && /\bbash(\.exe)?$/i.test(shell)
}

/** A module that Ansible copies to a host alone may have left zx behind. */
async function zxLoads(): Promise<boolean> {
  try {
    await import('zx/core')
    return true
  } catch {
    return false
  }
}
