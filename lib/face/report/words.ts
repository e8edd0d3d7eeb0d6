import type { ReportData } from '../../ensure/report_data.ts'
import { formatBytes } from '../cli/text.ts'

/** A space at which no line breaks. */
const SPACE = '\u00a0'

/** Writes a number of bytes for people, on one line. */
export function sizeText(count: number): string {
  return formatBytes(count).replace(' ', SPACE).replace('-', '\u2212')
}

/** What the two moments of a report are called. */
export interface Moments {
  readonly before: string
  /** Undefined where there is only one moment to show. */
  readonly after: string | undefined
}

/** Says what the two moments of a report are called. */
export function momentsOf(data: ReportData): Moments {
  if (data.kind === 'state') return { before: 'Now', after: undefined }
  const isClone = data.result.clone !== undefined
  if (!data.result.changed && !isClone) return { before: 'Now', after: undefined }
  if (isClone) return { before: 'The machine', after: 'The clone' }
  return { before: 'Before', after: data.kind === 'plan' ? 'Then' : 'After' }
}

/** Writes a part of a whole for people: `31 %`, and never `0 %` for what is not nothing. */
export function formatShare(part: number, whole: number): string {
  if (whole <= 0 || part <= 0) return `0${SPACE}%`
  const percent = (100 * part) / whole
  if (percent < 1) return `<${SPACE}1${SPACE}%`
  if (percent > 99 && part < whole) return `>${SPACE}99${SPACE}%`
  return `${Math.round(percent)}${SPACE}%`
}

/** Writes a change of size for people: `127.0 MiB (69 %) less`. */
export function formatChange(before: number, after: number): string {
  if (before === after) return 'no change'
  const word = after < before ? 'less' : 'more'
  const share = before > 0 ? ` (${formatShare(Math.abs(before - after), before)})` : ''
  return `${sizeText(Math.abs(before - after))}${share} ${word}`
}

/** Writes a time for people: `0.4 s`, `2 min 5 s`, `1 h 20 min`. */
export function formatSeconds(seconds: number): string {
  if (seconds < 59.95) return `${seconds < 10 ? seconds.toFixed(1) : Math.round(seconds)}${SPACE}s`
  const whole = Math.round(seconds)
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`
}

/** Writes a moment for people, in universal time. */
export function formatDate(date: Date): string {
  const day = new Intl.DateTimeFormat('en-GB', { dateStyle: 'long', timeZone: 'UTC' }).format(date)
  return `${day}, ${date.toISOString().slice(11, 16)} UTC`
}

/** Joins phrases as a sentence does: `a, b and c`. */
export function joinPhrases(phrases: readonly string[]): string {
  const last = phrases.at(-1) ?? ''
  return phrases.length < 2 ? last : `${phrases.slice(0, -1).join(', ')} and ${last}`
}

/** Returns a sentence's beginning with a capital. */
export function capitalize(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1)
}
