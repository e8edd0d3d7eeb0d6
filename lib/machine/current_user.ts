import { userInfo } from 'node:os'
import process from 'node:process'

/** The number of the user who runs; undefined where users have none, or where Deno was not allowed to tell. */
export function userNumber(): number | undefined {
  return ifTold(() => process.getuid?.())
}

/** The name of the user who runs, for a message. */
export function userName(): string {
  const named = ifTold(() => userInfo().username)
  return named ?? ifTold(() => process.env.USER ?? process.env.USERNAME) ?? 'unknown'
}

/** The home folder that the system notes for the user who runs, whatever `$HOME` says; undefined where it does not tell. */
export function userFolder(): string | undefined {
  return ifTold(() => userInfo().homedir)
}

/** Not every user is in the user database, and Deno asks for a permission for each of these. */
function ifTold<T>(ask: () => T): T | undefined {
  try {
    return ask()
  } catch {
    return undefined
  }
}
