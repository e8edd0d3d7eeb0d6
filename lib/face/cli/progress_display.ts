import { basename, isAbsolute } from 'node:path'
import type { Progress } from '../../ensure/progress.ts'
import type { Output } from './surroundings.ts'
import { escapeName, formatBytes, textWidth, truncate } from './text.ts'

/** How progress is shown: not at all, as lines, or as one line that is written over. */
export type ProgressMode = 'none' | 'lines' | 'bar'

/** Shows the progress of long work. */
export interface ProgressDisplay {
  readonly show: (progress: Progress) => void
  /** Takes the bar away, so that something else can be written. */
  readonly clear: () => void
}

/** What is over sooner is shown by its outcome. */
const FIRST_MS = { bar: 300, lines: 2000 }
/** Lines come as often as the script of 2010 told its percentage. */
const INTERVAL_MS = { bar: 100, lines: 30_000 }
const BAR_COLUMNS = 24
/** A rate says nothing before so many milliseconds. */
const SETTLED_MS = 2000
const ERASE_LINE = '\r\u001b[K'
/** Written behind a line instead of in front of it, so that nothing flickers. */
const ERASE_REST = '\u001b[K'

/** One piece of work: a phase on a subject. */
interface Work {
  readonly key: string
  readonly startedAt: number
  readonly startedFrom: number
}

/**
 * Returns a display on a stream.
 *
 * @param now Tells milliseconds.
 * @param ellipsis What stands for the end of a name that is too long.
 */
export function createProgressDisplay(
  output: Output,
  mode: ProgressMode,
  now: () => number,
  ellipsis = '…',
): ProgressDisplay {
  let work: Work | undefined
  let shownAt: number | undefined
  let shownWork: string | undefined
  let barShown = false

  function clear(): void {
    if (barShown) output.write(ERASE_LINE)
    barShown = false
  }

  function show(progress: Progress): void {
    if (mode === 'none') return
    const time = now()
    const key = `${progress.phase} ${progress.subject}`
    const begins = work?.key !== key
    if (begins) work = { key, startedAt: time, startedFrom: progress.done }
    if (shownAt === undefined) shownAt = time + FIRST_MS[mode] - INTERVAL_MS[mode]
    const isDue = time - shownAt >= INTERVAL_MS[mode]
    // The end of what was shown half done, and on a terminal each beginning, is shown at once.
    const ends = progress.done >= progress.total && shownWork === key
    const isNews = ends || (barShown && begins)
    if (!isDue && !isNews) return
    shownAt = time
    shownWork = ends ? undefined : key
    const figures = work === undefined ? [] : figuresOf(progress, work, time)
    if (mode === 'lines') {
      output.write(`${[`${title(progress)}: ${percentage(progress)}%`, ...figures].join(', ')}\n`)
      return
    }
    // Asked each time: the window may have been made narrower.
    output.write(`\r${progressBar(progress, figures, output.columns ?? 80, ellipsis)}${ERASE_REST}`)
    barShown = true
  }

  return { show, clear }
}

/**
 * Writes a moment of work as a bar that leaves the last column free, where terminals would wrap. Where there is little
 * room, the bar goes first, then the figures from the first one on, then the end of the name.
 */
function progressBar(
  progress: Progress,
  figures: readonly string[],
  columns: number,
  ellipsis: string,
): string {
  const most = columns - 1
  const percent = `${String(percentage(progress)).padStart(3)}%`
  for (let left = figures.length; left >= 0; left--) {
    const text = [percent, ...figures.slice(figures.length - left)].join('  ')
    const room = most - textWidth(text) - 2
    const least = Math.min(12, textWidth(title(progress)))
    if (room < least) continue
    const name = truncate(title(progress), room, ellipsis)
    const barRoom = Math.min(BAR_COLUMNS, room - textWidth(name) - 2)
    if (barRoom < 6) return `${name}  ${text}`
    const filled = Math.round((percentage(progress) / 100) * (barRoom - 2))
    return `${name}  [${'#'.repeat(filled).padEnd(barRoom - 2, '.')}]  ${text}`
  }
  return truncate(percent, most, ellipsis)
}

function title({ phase, subject, overall }: Progress): string {
  const place = overall === undefined || overall.pieces < 2 ? '' : `${overall.piece}/${overall.pieces} `
  // Of a path the end tells, and there is not room for all.
  return escapeName(`${place}${phase} ${isAbsolute(subject) ? basename(subject) : subject}`)
}

function percentage({ done, total }: Progress): number {
  return total > 0 ? Math.min(100, Math.max(0, Math.floor((done / total) * 100))) : 100
}

/** What is known of a moment beside its percentage, the less telling first. */
function figuresOf(progress: Progress, work: Work, time: number): string[] {
  const { overall } = progress
  const rate = rateOf(progress, work, time)
  const all = overall === undefined || overall.pieces < 2 ? [] : [`all ${Math.floor(100 * overall.share)}%`]
  const seconds = overall === undefined ? timeLeft(progress, work, time) : overall.secondsLeft
  return [
    ...(rate === undefined ? [] : [`${formatBytes(Math.round(rate))}/s`]),
    ...all,
    ...(seconds === null ? [] : [`${formatClock(seconds)} left`]),
  ]
}

/** Bytes a second. */
function rateOf(
  { done, unit }: Progress,
  { startedAt, startedFrom }: Work,
  time: number,
): number | undefined {
  const seconds = (time - startedAt) / 1000
  return unit === 'bytes' && seconds > 0 && done > startedFrom ? (done - startedFrom) / seconds : undefined
}

function timeLeft({ done, total }: Progress, { startedAt, startedFrom }: Work, time: number): number | null {
  const elapsed = time - startedAt
  if (elapsed < SETTLED_MS || done <= startedFrom || done >= total) return null
  return Math.ceil(((total - done) * elapsed) / (done - startedFrom) / 1000)
}

/** Writes seconds as a clock does: `0:07`, `12:34`, `1:02:03`. */
function formatClock(seconds: number): string {
  const pair = (number: number): string => String(Math.floor(number)).padStart(2, '0')
  const hours = Math.floor(seconds / 3600)
  const minutes = Math.floor((seconds % 3600) / 60)
  return hours > 0 ? `${hours}:${pair(minutes)}:${pair(seconds % 60)}` : `${minutes}:${pair(seconds % 60)}`
}
