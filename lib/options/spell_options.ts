import { describeOptions } from './describe_options.ts'
import { convertName, type NameStyle } from './names.ts'
import type { OperationName } from './operation_options.ts'

const OPERATIONS: readonly OperationName[] = [
  'prepare',
  'clone',
  'compact',
  'snapshot',
  'merge',
  'undo',
  'report',
  'info',
  'list',
]

/**
 * Spells the options that a message names as the reader of it types them. In messages an option is written in camelCase
 * with what it is to be, `branches=stop` or `discardSavedState=true`; names of several words may stand alone. What is
 * in double quotes stays: names and paths.
 */
export function spellOptions(message: string, style: NameStyle): string {
  const names = optionNames()
  const pattern = new RegExp(
    `"(?:[^"\\\\]|\\\\.)*"|(?<![\\w./-])(?:(${names.join('|')})=(\\w+)|(${names.filter(isLong).join('|')}))(?![\\w.=-])`,
    'gs',
  )
  return message.replace(pattern, (found, given?: string, value?: string, alone?: string) => {
    const name = given ?? alone
    if (name === undefined) return found
    if (style !== 'kebab') return convertName(name, style) + (value === undefined ? '' : `=${value}`)
    const flag = `--${convertName(name, 'kebab')}`
    return value === undefined || value === 'true' ? flag : `${flag}=${value}`
  })
}

/** The longest first, so that none is taken for the beginning of another. */
function optionNames(): string[] {
  const all = OPERATIONS.flatMap(operation => describeOptions(operation).map(({ name }) => name))
  return [...new Set(all)].filter(name => /^\w+$/.test(name)).sort((a, b) => b.length - a.length)
}

/** A name of one word is a word like others unless a value stands behind it. */
function isLong(name: string): boolean {
  return /[A-Z]/.test(name) || name === 'vboxmanage'
}
