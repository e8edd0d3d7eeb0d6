import * as v from 'valibot'
import { VboxmergeError } from '../errors.ts'
import { describeOptions, type OptionDescription, wantedValue } from './describe_options.ts'
import { convertName, type NameStyle } from './names.ts'
import type { OperationName, ParsedOptions } from './operation_options.ts'
import { schemaOf } from './schemas.ts'
import { suggest } from './suggest.ts'

/**
 * Checks the options of an operation and fills in the defaults. The input's own keys, in camelCase,
 * count; one whose value is undefined is not given. `style` is how the messages spell the names.
 *
 * Throws a VboxmergeError `invalid_options` that lists every problem, one a line.
 */
export function parseOptions<Name extends OperationName>(
  operation: Name,
  input: unknown = {},
  style: NameStyle = 'camel',
): ParsedOptions[Name] {
  const given = ownEntries(operation, input)
  const known = new Map(describeOptions(operation).map(option => [option.name, option]))
  const spell = (name: string): string => spellName(name, style)
  const problems: string[] = []
  const values: Record<string, unknown> = {}
  for (const [key, value] of given) {
    if (known.has(key)) values[key] = value
    else problems.push(unknownOption(operation, key, [...known.keys()], style))
  }
  const result = v.safeParse(schemaOf(operation), values)
  const wrong = new Set(result.issues?.map(issue => String(issue.path?.[0]?.key)))
  for (const option of known.values()) {
    if (wrong.has(option.name)) problems.push(wrongValue(option, values[option.name], spell))
    else if (isIdle(option, values)) problems.push(idleOption(option, spell))
  }
  if (problems.length > 0) throw new VboxmergeError('invalid_options', problems.join('\n'))
  // The schema is held equal to this type where it is declared; a walk through it by name loses that.
  return result.output as ParsedOptions[Name]
}

function ownEntries(operation: OperationName, input: unknown): [string, unknown][] {
  if (typeof input !== 'object' || input === null || Array.isArray(input)) {
    throw new VboxmergeError(
      'invalid_options',
      `Options for ${title(operation)} are ${showValue(input)}; give an object`,
    )
  }
  return Object.entries(input).filter(([, value]) => value !== undefined)
}

function title(operation: OperationName): string {
  return operation === 'prepare' ? 'vboxmerge' : operation
}

function spellName(name: string, style: NameStyle): string {
  return style === 'kebab' ? `--${convertName(name, 'kebab')}` : `"${convertName(name, style)}"`
}

function unknownOption(
  operation: OperationName,
  key: string,
  known: readonly string[],
  style: NameStyle,
): string {
  const near = suggest(key, known)
  const hint = near === undefined ? 'see the list of options' : `did you mean ${spellName(near, style)}?`
  return `Unknown option ${showValue(key)} for ${title(operation)}; ${hint}`
}

function wrongValue(option: OptionDescription, value: unknown, spell: (name: string) => string): string {
  return `Option ${spell(option.name)} is ${showValue(value)}; give ${wantedValue(option)}`
}

function isIdle(option: OptionDescription, values: Readonly<Record<string, unknown>>): boolean {
  return option.needs !== undefined && option.name in values && values[option.needs] !== true
}

function idleOption(option: OptionDescription, spell: (name: string) => string): string {
  return `Option ${spell(option.name)} does nothing without ${spell(option.needs ?? '')}; give both or none`
}

function showValue(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.length > 60 ? `${value.slice(0, 60)}…` : value)
  if (Array.isArray(value)) return 'an array'
  if (typeof value === 'object' && value !== null) return 'an object'
  return typeof value === 'function' ? 'a function' : String(value)
}
