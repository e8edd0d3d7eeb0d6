import { CommanderError } from 'commander'
import { VboxmergeError } from '../../errors.ts'
import { coerceStrings } from '../../options/coerce_strings.ts'
import { convertName } from '../../options/names.ts'
import { parseOptions } from '../../options/parse_options.ts'
import { suggest } from '../../options/suggest.ts'
import { buildParser, commandLineOptions, longSpellings } from './argument_parser.ts'
import { BARE_COMMAND, COMMANDS, type CommandDescription, HELPERS } from './commands.ts'
import { escapeName } from './text.ts'

/** What a command line asks for. */
export type Invocation =
  | { readonly kind: 'help'; readonly command: CommandDescription }
  | { readonly kind: 'version' }
  | { readonly kind: 'completion'; readonly args: readonly string[] }
  | {
      readonly kind: 'run'
      readonly command: CommandDescription
      /** Empty for a command that takes none. */
      readonly machine: string
      /** Only what was given, checked; the operation knows the defaults. */
      readonly options: Readonly<Record<string, unknown>>
      readonly json: boolean
      readonly quiet: boolean
      /** As it was typed, without the program's name. */
      readonly args: readonly string[]
    }

/** Reads a command line. Throws a VboxmergeError `invalid_options` for what it cannot mean. */
export function readCommandLine(args: readonly string[]): Invocation {
  if (args.length === 0) return { kind: 'help', command: BARE_COMMAND }
  if (args[0] === 'completion') return { kind: 'completion', args: args.slice(1) }
  if (args[0] === 'help' && args[1] === 'completion') return { kind: 'completion', args: ['--help'] }
  const { command, rest, asksForHelp } = chooseCommand(args)
  if (asksForHelp) return { kind: 'help', command }
  const { given, operands } = parseArguments(command, rest)
  if (given.help === true) return { kind: 'help', command }
  if (given.version === true) return { kind: 'version' }
  const output = coerceStrings('output', pick(given, ['json', 'quiet']))
  const options = {
    ...coerceStrings(command.operation, drop(given, ['json', 'quiet', 'help', 'version'])),
    ...(command.operation === 'list' && operands.length > 0 ? { folders: operands } : {}),
  }
  parseOptions(command.operation, options, 'kebab')
  return {
    kind: 'run',
    command,
    machine: machineOf(command, operands),
    options,
    json: output.json === true,
    quiet: output.quiet === true,
    args,
  }
}

/** Tells whether a command line, even one that cannot be read, asks for JSON. */
export function asksForJson(args: readonly string[]): boolean {
  const end = args.indexOf('--')
  return (end < 0 ? args : args.slice(0, end)).includes('--json')
}

/** Returns the command that a word was most likely meant to be. */
export function suggestCommand(word: string): string | undefined {
  return suggest(
    word,
    [...COMMANDS, ...HELPERS].map(({ word }) => word ?? ''),
  )
}

/** Which command a command line means. */
export interface Choice {
  readonly command: CommandDescription
  readonly rest: readonly string[]
  readonly asksForHelp: boolean
}

/** Finds the command in a command line. */
export function chooseCommand(args: readonly string[]): Choice {
  const at = firstWord(args)
  const word = at === undefined ? undefined : args[at]
  if (at !== undefined && word === 'help') {
    return { command: commandOf(args[at + 1]) ?? BARE_COMMAND, rest: [], asksForHelp: true }
  }
  const command = commandOf(word)
  if (at === undefined || command === undefined)
    return { command: BARE_COMMAND, rest: args, asksForHelp: false }
  return { command, rest: [...args.slice(0, at), ...args.slice(at + 1)], asksForHelp: false }
}

function commandOf(word: string | undefined): CommandDescription | undefined {
  return word === undefined ? undefined : COMMANDS.find(command => command.word === word)
}

/** Finds the first argument that is neither an option nor an option's value; none when `--` comes first. */
function firstWord(args: readonly string[]): number | undefined {
  const withValue = valueOptions()
  for (let at = 0; at < args.length; at++) {
    const argument = args[at] ?? ''
    if (argument === '--') return undefined
    if (!argument.startsWith('-') || argument === '-') return at
    if (withValue.has(argument)) at++
  }
  return undefined
}

function valueOptions(): ReadonlySet<string> {
  const options = [BARE_COMMAND, ...COMMANDS].flatMap(commandLineOptions)
  const valued = options.filter(option => option.kind !== 'boolean')
  return new Set(
    valued.flatMap(option => [`--${convertName(option.name, 'kebab')}`, ...longSpellings(option)]),
  )
}

interface ParsedArguments {
  /** By the camelCase names of the options. */
  readonly given: Readonly<Record<string, unknown>>
  readonly operands: readonly string[]
}

function parseArguments(command: CommandDescription, args: readonly string[]): ParsedArguments {
  const parser = buildParser(command)
  try {
    parser.parse(args, { from: 'user' })
  } catch (error) {
    if (error instanceof CommanderError) throw usageError(command, explain(command, error))
    throw error
  }
  const given: Record<string, unknown> = { ...parser.opts() }
  for (const option of commandLineOptions(command)) {
    for (const spelling of longSpellings(option)) {
      const key = convertName(spelling.slice(2), 'camel')
      if (key in given) given[option.name] = given[key]
      delete given[key]
    }
  }
  return { given, operands: parser.args }
}

/** Says what is wrong with arguments; commander knows no option that is near a mistyped one with a value. */
function explain(command: CommandDescription, { code, message }: CommanderError): string {
  const text = inItsLine(message)
  const [, word] = /^unknown option '(--[^=']*)/.exec(text) ?? []
  if (code !== 'commander.unknownOption' || word === undefined) return text
  const [first = ''] = text.split('\n')
  const flags = commandLineOptions(command).map(({ name }) => convertName(name, 'kebab'))
  const near = suggest(word.slice(2), [...flags, 'help', 'version'])
  if (near !== undefined) return `${first}; did you mean --${near}?`
  const owner = COMMANDS.find(other =>
    commandLineOptions(other).some(({ name }) => `--${convertName(name, 'kebab')}` === word),
  )
  return owner === undefined ? first : `${first}; it belongs to vboxmerge ${owner.word}`
}

/** Of commander's messages the second line, if there is one, is a hint; what was given stays in the first. */
function inItsLine(message: string): string {
  const [problem = '', ...hints] = message.replace(/^error: /, '').split(/\n(?=\(Did you mean )/)
  return [escapeName(problem), ...hints].join('\n')
}

function machineOf(command: CommandDescription, operands: readonly string[]): string {
  const [machine, extra] = operands
  if (!command.takesMachine) {
    if (machine === undefined || command.operation === 'list') return ''
    throw usageError(command, `unexpected argument ${JSON.stringify(machine)}`)
  }
  if (machine === undefined || machine === '')
    throw usageError(command, `missing ${command.operand ?? 'MACHINE'}`)
  if (extra === undefined) return machine
  const meant = command.word === undefined ? suggestCommand(machine) : undefined
  throw usageError(
    command,
    meant === undefined
      ? `unexpected argument ${JSON.stringify(extra)}; a name with spaces needs quotes`
      : `unknown command ${JSON.stringify(machine)}; did you mean ${meant}?`,
  )
}

function usageError(command: CommandDescription, problem: string): VboxmergeError {
  const help = ['vboxmerge', command.word, '--help'].filter(Boolean).join(' ')
  return new VboxmergeError('invalid_options', `Cannot read the command line: ${problem}\nTry: ${help}`)
}

function pick(values: Readonly<Record<string, unknown>>, keys: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(Object.entries(values).filter(([key]) => keys.includes(key)))
}

function drop(values: Readonly<Record<string, unknown>>, keys: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(Object.entries(values).filter(([key]) => !keys.includes(key)))
}
