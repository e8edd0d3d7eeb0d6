import * as v from 'valibot'
import type { OperationName } from './operation_options.ts'
import type { OptionMeta } from './option_meta.ts'
import { schemaOf } from './schemas.ts'

/** The kinds of value that an option takes. `code` cannot be written down (functions, signals). */
export type OptionKind = 'boolean' | 'number' | 'text' | 'choice' | 'amount' | 'text_or_false' | 'code'

/** All that is known of one option. */
export interface OptionDescription extends OptionMeta {
  /** In camelCase. */
  readonly name: string
  readonly kind: OptionKind
  /** Whether a number must be a whole one. */
  readonly isWhole: boolean
  /** The allowed values of a `choice`; empty for the other kinds. */
  readonly choices: readonly string[]
  /** Undefined where there is none. */
  readonly default: string | number | boolean | undefined
  /** The option without which this one would do nothing. */
  readonly needs: string | undefined
}

/** Describes the options of an operation, in the order of their declaration, from its schema. */
export function describeOptions(operation: OperationName | 'output'): readonly OptionDescription[] {
  return Object.entries(schemaOf(operation).entries).map(([name, entry]) => {
    const inner = unwrap(entry)
    const kind = kindOf(inner)
    return {
      ...metaOf(name, inner),
      name,
      kind,
      isWhole: kind === 'number' && hasAction(inner, 'safe_integer'),
      choices: kind === 'choice' ? choicesOf(inner) : [],
      default: defaultOf(entry),
      needs: operation === 'prepare' ? neededBy(name, metaOf(name, inner)) : undefined,
    }
  })
}

/** Says what a value of this option must be, after "give". */
export function wantedValue(option: OptionDescription): string {
  if (option.kind === 'boolean') return 'true or false'
  if (option.choices.length > 0) return listChoices(option.choices)
  return option.wanted ?? 'another value'
}

function listChoices(choices: readonly string[]): string {
  return choices.length < 2 ? choices.join() : `${choices.slice(0, -1).join(', ')} or ${choices.at(-1)}`
}

function neededBy(name: string, meta: OptionMeta): string | undefined {
  // To keep free space is true without compaction, too.
  if (name === 'compact' || name === 'snapshot' || name === 'freeSpace') return undefined
  if (meta.group === 'compacting') return 'compact'
  return meta.group === 'base snapshot' ? 'snapshot' : undefined
}

function unwrap(entry: v.GenericSchema): v.GenericSchema {
  return 'wrapped' in entry ? (entry.wrapped as v.GenericSchema) : entry
}

function defaultOf(entry: v.GenericSchema): OptionDescription['default'] {
  return 'default' in entry ? (entry.default as OptionDescription['default']) : undefined
}

function metaOf(name: string, inner: v.GenericSchema): OptionMeta {
  const { option } = v.getMetadata(inner) as { option?: OptionMeta }
  if (option === undefined) throw new TypeError(`Option ${name} is declared without a description`)
  return option
}

function choicesOf(inner: v.GenericSchema): readonly string[] {
  return 'options' in inner ? (inner.options as readonly string[]) : []
}

function hasAction(inner: v.GenericSchema, type: string): boolean {
  if (!('pipe' in inner)) return false
  // A schema with a description is a pipe around the pipe of its actions.
  return (inner.pipe as readonly { type: string }[]).some(
    item => item.type === type || ('pipe' in item && hasAction(item as unknown as v.GenericSchema, type)),
  )
}

function kindOf(inner: v.GenericSchema): OptionKind {
  switch (inner.type) {
    case 'boolean':
    case 'number':
      return inner.type
    case 'string':
      return 'text'
    case 'picklist':
      return 'choice'
    case 'union':
      return memberTypes(inner).includes('literal') ? 'text_or_false' : 'amount'
    default:
      return 'code'
  }
}

function memberTypes(union: v.GenericSchema): readonly string[] {
  return 'options' in union ? (union.options as readonly v.GenericSchema[]).map(member => member.type) : []
}
