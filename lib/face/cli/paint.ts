import { styleText } from 'node:util'
import type { Surroundings } from './surroundings.ts'

/** The looks that are used. */
export type Look = 'red' | 'yellow' | 'bold' | 'dim'

/** Gives a text a look where the stream shows one. */
export type Painter = (look: Look, text: string) => string

/** Returns the painter of a stream: colours only on a terminal that has them, and never under `NO_COLOR`. */
export function painterFor(stream: 'stdout' | 'stderr', { env, ...surroundings }: Surroundings): Painter {
  const output = surroundings[stream]
  const coloured = output.isTTY === true && !env.NO_COLOR && (output.hasColors?.(16, env) ?? true)
  return (look, text) => (coloured ? styleText(look, text, { validateStream: false }) : text)
}
