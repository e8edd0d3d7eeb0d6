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

const BAR_INTERVAL_MS = 100
/** As often as the script of 2010 told its percentage. */
const LINE_INTERVAL_MS = 30_000
const BAR_COLUMNS = 30
const ERASE_LINE = '\r\u001b[K'

/** One piece of work: a phase on a subject. */
interface Work {
  readonly key: string
  readonly startedAt: number
  readonly startedFrom: number
}

/** Returns a display on a stream. `now` tells milliseconds. */
export function createProgressDisplay(
  output: Output,
  mode: ProgressMode,
  now: () => number,
): ProgressDisplay {
  let work: Work | undefined
  let shownAt = Number.NEGATIVE_INFINITY
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
    const ends = progress.done >= progress.total
    const interval = mode === 'bar' ? BAR_INTERVAL_MS : LINE_INTERVAL_MS
    if (!begins && !ends && time - shownAt < interval) return
    shownAt = time
    const rate = work === undefined ? '' : formatRate(progress, work, time)
    if (mode === 'lines') {
      output.write(`${progressLine(progress, rate)}\n`)
      return
    }
    output.write(`${ERASE_LINE}${progressBar(progress, rate, output.columns ?? 80)}`)
    barShown = true
  }

  return { show, clear }
}

/** Writes a moment of work as a line of its own. */
function progressLine(progress: Progress, rate: string): string {
  return `${title(progress)}: ${percentage(progress)}%${rate === '' ? '' : `, ${rate}`}`
}

/** Writes a moment of work as a bar that leaves the last column free, where terminals would wrap. */
function progressBar(progress: Progress, rate: string, columns: number): string {
  const figures = `${String(percentage(progress)).padStart(3)}%${rate === '' ? '' : `  ${rate}`}`
  const room = columns - 1 - textWidth(figures)
  if (room < 8) return truncate(figures, columns - 1)
  const name = truncate(title(progress), room - 2)
  const barRoom = Math.min(BAR_COLUMNS, room - textWidth(name) - 4)
  if (barRoom < 6) return `${name}  ${figures}`
  const filled = Math.round((percentage(progress) / 100) * (barRoom - 2))
  return `${name}  [${'#'.repeat(filled).padEnd(barRoom - 2, '.')}]  ${figures}`
}

function title({ phase, subject }: Progress): string {
  return escapeName(`${phase} ${subject}`)
}

function percentage({ done, total }: Progress): number {
  return total > 0 ? Math.min(100, Math.max(0, Math.floor((done / total) * 100))) : 100
}

function formatRate({ done, unit }: Progress, { startedAt, startedFrom }: Work, time: number): string {
  const seconds = (time - startedAt) / 1000
  return unit === 'bytes' && seconds > 0 && done > startedFrom
    ? `${formatBytes(Math.round((done - startedFrom) / seconds))}/s`
    : ''
}
