import * as v from 'valibot'
import type { OptionMeta } from './option_meta.ts'
import type { Same } from './same_type.ts'
import { fitsPath, fitsSettingsFile } from './settings_text.ts'

/** Says of a schema what it is an option for. */
export function option<const Schema extends v.GenericSchema>(
  schema: Schema,
  meta: OptionMeta,
): Option<Schema> {
  return v.pipe(schema, v.metadata({ option: meta }))
}

/** A schema that says what it is an option for. */
export type Option<Schema extends v.GenericSchema> = v.SchemaWithPipe<
  readonly [Schema, v.MetadataAction<v.InferOutput<Schema>, { readonly option: OptionMeta }>]
>

/** A whole number from 0 on. */
export const wholeNumber: v.GenericSchema<number> = v.pipe(v.number(), v.safeInteger(), v.minValue(0))

/** A name that fits into a settings file. */
export const name: v.GenericSchema<string> = v.pipe(v.string(), v.nonEmpty(), v.check(fitsSettingsFile))

/** A path that a file can have. */
export const path: v.GenericSchema<string> = v.pipe(v.string(), v.nonEmpty(), v.check(fitsPath))

/** A text with something in it. */
export const text: v.GenericSchema<string> = v.pipe(v.string(), v.nonEmpty())

/** Texts with something in each. */
export const listOfTexts: v.GenericSchema<readonly string[]> = v.custom<readonly string[]>(
  value => Array.isArray(value) && value.every(text => typeof text === 'string' && text !== ''),
)

/** Schemas of options that may be left out; those that `Output` promises have a default. */
export type Entries<Input, Output> = {
  readonly [Key in keyof Input & string]-?: v.ExactOptionalSchema<
    v.GenericSchema<Exclude<Input[Key], undefined>>,
    Key extends Promised<Output> ? Exclude<Input[Key], undefined> : undefined
  >
}

type Promised<Output> = {
  [Key in keyof Output]-?: object extends Pick<Output, Key> ? never : Key
}[keyof Output]

/**
 * Returns a function that hands schemas back, and that compiles only for those that take exactly `Input` and give
 * exactly `Output`.
 */
export function entriesOf<Input, Output>(): <Given extends v.ObjectEntries>(
  entries: Given &
    (Same<v.InferInput<v.StrictObjectSchema<Given, undefined>>, Input> extends true
      ? unknown
      : { readonly inputDiffers: Input }) &
    (Same<v.InferOutput<v.StrictObjectSchema<Given, undefined>>, Output> extends true
      ? unknown
      : { readonly outputDiffers: Output }),
) => Entries<Input, Output> {
  // The generics above have compared each entry; what is handed on says no less.
  return entries => entries as unknown as Entries<Input, Output>
}
