import { type Painter, painterFor } from './paint.ts'
import type { Surroundings } from './surroundings.ts'
import { wrap } from './wrap.ts'

/** What text is drawn for. */
export interface Screen {
  readonly paint: Painter
  /** Columns that a line may take. */
  readonly columns: number
  /** Whether a line that is wider is broken; elsewhere than on a terminal it is whole, for whatever program reads it. */
  readonly breaks: boolean
  readonly glyphs: Glyphs
}

/** Characters that not every terminal shows. */
export interface Glyphs {
  readonly arrow: string
  readonly ellipsis: string
  readonly fork: string
  readonly corner: string
  readonly bar: string
  /** What a part of a disk is made of; each tells by its shape, not by a colour. */
  readonly base: string
  readonly newer: string
  readonly unused: string
  readonly partly: string
  readonly empty: string
}

const UNICODE: Glyphs = {
  arrow: '→',
  ellipsis: '…',
  fork: '├─ ',
  corner: '└─ ',
  bar: '│  ',
  base: '█',
  newer: '▓',
  unused: '▒',
  partly: '░',
  empty: '·',
}

const ASCII: Glyphs = {
  arrow: '->',
  ellipsis: '~',
  fork: '+- ',
  corner: '`- ',
  bar: '|  ',
  base: '#',
  newer: '+',
  unused: 'x',
  partly: '-',
  empty: '.',
}

const USUAL_COLUMNS = 80
const LEAST_COLUMNS = 40
const MOST_COLUMNS = 120

/** Returns what text for a stream is drawn for; elsewhere than on a terminal lines have the usual length. */
export function screenFor(stream: 'stdout' | 'stderr', surroundings: Surroundings): Screen {
  const { env } = surroundings
  const output = surroundings[stream]
  const isTerminal = output.isTTY === true
  const wide = (isTerminal ? output.columns : Number(env.COLUMNS)) || 0
  // Shells keep COLUMNS for themselves; whoever hands it on wants lines of that length.
  const breaks = isTerminal || wide > 0
  const columns = Math.max(LEAST_COLUMNS, Math.min(MOST_COLUMNS, wide || USUAL_COLUMNS))
  return { paint: painterFor(stream, surroundings), columns, breaks, glyphs: glyphsFor(env) }
}

/** Returns the characters that the locale of an environment can show. */
export function glyphsFor(env: Surroundings['env']): Glyphs {
  const locale = env.LC_ALL || env.LC_CTYPE || env.LANG || ''
  // The terminals of Windows have no locale; the newer ones say who they are.
  const isKnown = env.WT_SESSION !== undefined || env.TERM_PROGRAM === 'vscode'
  return /utf-?8/i.test(locale) || (locale === '' && isKnown) ? UNICODE : ASCII
}

/** Breaks the lines of a text that are too wide, where that is wanted. */
export function fitLines(text: string, { columns, breaks }: Screen): string {
  return breaks
    ? text
        .split('\n')
        .flatMap(line => wrap(line, columns, '  '))
        .join('\n')
    : text
}
