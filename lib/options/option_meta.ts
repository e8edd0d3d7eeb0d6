/** The groups that help texts and tables are divided into, in their order. */
export const OPTION_GROUPS = [
  'merging',
  'compacting',
  'base snapshot',
  'cloning',
  'going back',
  'inspection',
  'common',
  'output',
] as const

/** A group of options. */
export type OptionGroup = (typeof OPTION_GROUPS)[number]

/** What a schema says of an option besides its type, its default and its allowed values. */
export interface OptionMeta {
  readonly group: OptionGroup
  /** What it does, as the middle of a sentence: no capital, no full stop at its end. */
  readonly description: string
  /** What a value must be, after "give"; left out where type or allowed values say it. */
  readonly wanted?: string
  /** How help texts name the value, for example `N`. */
  readonly argument?: string
  /** What happens without the option, where no default value can say it. */
  readonly defaultText?: string
  /** Other spellings on the command line, with their dashes. */
  readonly spellings?: readonly string[]
  /** True for what only a program can pass (functions, signals). */
  readonly codeOnly?: boolean
}
