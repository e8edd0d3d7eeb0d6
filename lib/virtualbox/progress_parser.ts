/** Longer than any line of progress; a line that is longer is something else. */
const MOST_PENDING = 4096

/**
 * Returns a reader for the pieces of VBoxManage's error stream that reports progress in per cent, 0 to 100,
 * never less than it has reported before, and nothing twice.
 *
 * It knows the plain form, one line `0%...10%...` up to `100%`, and that of `--detailed-progress`, lines like
 * `(2/3) Merging medium 'a' to 'b' 40% => 63% (2 s remaining)` whose second figure, of the whole, may exceed
 * 100. In the second form only the figures after the arrow count, and quoted names count nowhere.
 */
export function progressParser(onPercent: (percent: number) => void): (text: string) => void {
  let line = ''
  let reported = -1
  const report = (percent: number): void => {
    const bounded = Math.min(percent, 100)
    if (bounded <= reported) return
    reported = bounded
    onPercent(bounded)
  }
  return text => {
    const pieces = (line + text).split(/[\r\n]/)
    line = (pieces.at(-1) ?? '').slice(0, MOST_PENDING)
    for (const piece of pieces) {
      const percent = percentOf(piece)
      if (percent !== undefined) report(percent)
    }
  }
}

function percentOf(line: string): number | undefined {
  const plain = /^(?:\d{1,3}%\.\.\.)*(\d{1,3})%(?:\.\.\.|$)/.exec(line)
  const figure = plain?.[1] ?? /%\s+=>\s+(\d{1,6})%\s+\([^()']*\)\s*$/.exec(line)?.[1]
  return figure === undefined ? undefined : Number(figure)
}
