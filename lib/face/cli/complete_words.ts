import type { OptionDescription } from '../../options/describe_options.ts'
import { convertName } from '../../options/names.ts'
import { commandLineOptions, longSpellings } from './argument_parser.ts'
import { chooseCommand } from './command_line.ts'
import { COMMANDS, type CommandDescription, HELPERS } from './commands.ts'

/**
 * Returns what a word of a command line can become.
 *
 * @param words As bash splits them, from the name of the program on; quotes and backslashes are in them.
 * @param current Which of them it is.
 */
export async function completeWords(words: readonly string[], current: number): Promise<string[]> {
  const before = words.slice(1, current).map(unquote)
  const word = unquote(words[current] ?? '')
  const place = placeOf(before, word)
  const found = await candidates(place)
  return found
    .filter(name => name.startsWith(place.prefix) && !/\p{Cc}/u.test(name))
    .map(name => place.lead + name)
}

/** What is to be completed. */
interface Place {
  readonly command: CommandDescription
  /** Words of the command line in front, a value of an option joined to it by `=`. */
  readonly given: readonly string[]
  /** The option whose value it is. */
  readonly option: OptionDescription | undefined
  /** What was typed of it. */
  readonly prefix: string
  /** What belongs to the word in front of it, in shells that do not split at `=`. */
  readonly lead: string
  /** Whether words in front of it say that no option follows. */
  readonly isBehindDashes: boolean
}

function placeOf(before: readonly string[], word: string): Place {
  // By default bash makes three words of --engine=direct.
  const given: string[] = []
  for (const [at, part] of before.entries()) {
    if (part === '=' && given.length > 0) given.push(`${given.pop()}=`)
    else if (before[at - 1] === '=' && given.at(-1)?.endsWith('=') === true)
      given.push(`${given.pop()}${part}`)
    else given.push(part)
  }
  const { command } = chooseCommand(given)
  const isBehindDashes = given.includes('--')
  const place = { command, isBehindDashes }
  const last = given.at(-1) ?? ''
  if (last.endsWith('=') || word === '=') {
    const flag = word === '=' ? last : last.slice(0, -1)
    const prefix = word === '=' ? '' : word
    return { ...place, given: given.slice(0, -1), option: optionOf(command, flag), prefix, lead: '' }
  }
  const [, flag, value] = /^(--[^=]+)=(.*)$/s.exec(word) ?? []
  if (flag !== undefined && value !== undefined) {
    return { ...place, given, option: optionOf(command, flag), prefix: value, lead: `${flag}=` }
  }
  const option = isBehindDashes ? undefined : optionOf(command, last)
  const takesValue = option !== undefined && option.kind !== 'boolean'
  return { ...place, given, option: takesValue ? option : undefined, prefix: word, lead: '' }
}

async function candidates(place: Place): Promise<readonly string[]> {
  const { command, given, option, prefix, isBehindDashes } = place
  if (option !== undefined) return await valuesOf(option, place)
  if (prefix.startsWith('-') && !isBehindDashes) return flagsOf(command)
  const [first] = operandsOf(command, given)
  if (first === 'completion' && command.word === undefined) return ['bash']
  // A file name is completed by the shell.
  if (!command.takesMachine || first !== undefined || /[/\\]/.test(prefix)) return []
  const isFirst = command.word === undefined && !isBehindDashes
  const words = isFirst ? [...COMMANDS.map(({ word }) => word ?? ''), ...HELPERS.map(({ word }) => word)] : []
  const { machineNames } = await import('../../ensure/known_names.ts')
  return [...words, ...(await machineNames(homeOf(given)).catch(() => []))]
}

async function valuesOf(
  { name, choices }: OptionDescription,
  { command, given }: Place,
): Promise<readonly string[]> {
  if (choices.length > 0) return choices
  if (name !== 'from') return []
  const [machine] = operandsOf(command, given)
  if (machine === undefined) return []
  const { snapshotNames } = await import('../../ensure/known_names.ts')
  return await snapshotNames(machine, homeOf(given)).catch(() => [])
}

/** The machine is looked up where the command line says. */
function homeOf(given: readonly string[]): { readonly vboxUserHome?: string } {
  const flag = '--vbox-user-home'
  const at = given.indexOf(flag)
  const joined = given.find(word => word.startsWith(`${flag}=`))?.slice(flag.length + 1)
  const vboxUserHome = joined ?? (at < 0 ? undefined : given[at + 1])
  return vboxUserHome ? { vboxUserHome } : {}
}

function flagsOf(command: CommandDescription): string[] {
  const own = commandLineOptions(command).flatMap(option => {
    const flag = `--${convertName(option.name, 'kebab')}`
    return option.kind === 'text_or_false' ? [flag, `--no-${flag.slice(2)}`] : [flag]
  })
  return [...own, '--help', ...(command.word === undefined ? ['--version'] : [])]
}

function optionOf(command: CommandDescription, flag: string): OptionDescription | undefined {
  return commandLineOptions(command).find(
    option => `--${convertName(option.name, 'kebab')}` === flag || longSpellings(option).includes(flag),
  )
}

/** The words that are neither the command's, nor options or their values. */
function operandsOf(command: CommandDescription, given: readonly string[]): string[] {
  const operands: string[] = []
  for (let at = 0; at < given.length; at++) {
    const word = given[at] ?? ''
    if (word === '--') {
      operands.push(...given.slice(at + 1))
      break
    }
    const option = optionOf(command, word)
    if (option !== undefined && option.kind !== 'boolean') at++
    else if (!word.startsWith('-')) operands.push(word)
  }
  return command.word !== undefined && operands[0] === command.word ? operands.slice(1) : operands
}

/** Takes away what a shell would. */
function unquote(word: string): string {
  if (word.startsWith("'")) return word.slice(1).replace(/'$/, '')
  if (word.startsWith('"'))
    return word
      .slice(1)
      .replace(/"$/, '')
      .replace(/\\(["\\$`])/g, '$1')
  return word.replace(/\\(.)/gs, '$1')
}
