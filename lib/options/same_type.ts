import type * as v from 'valibot'

type Plain<Type> = { -readonly [Key in keyof Type]: Type[Key] }

type Identical<Left, Right> =
  (<T>() => T extends Left ? 1 : 2) extends <T>() => T extends Right ? 1 : 2 ? true : false

/** `true` when both object types have the same keys, equally optional, with the same types; else `false`. */
export type Same<Left, Right> = Identical<Plain<Left>, Plain<Right>>

/**
 * Returns a function that hands a schema back, and that compiles only for a schema which takes exactly
 * `Input` and gives exactly `Output`. So an interface written by hand and the schema beside it cannot
 * drift apart in either direction.
 */
export function exactly<Input, Output>(): <Schema extends v.GenericSchema>(
  schema: Schema &
    (Same<v.InferInput<Schema>, Input> extends true ? unknown : { readonly inputDiffers: Input }) &
    (Same<v.InferOutput<Schema>, Output> extends true ? unknown : { readonly outputDiffers: Output }),
) => Schema {
  return schema => schema
}
