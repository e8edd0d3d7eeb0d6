// Tables of measurements, and what they say about the claims.

const MIB = 2 ** 20
const LEAST_RATIO = 5
const MOST_MEMORY = 200_000_000

const COLUMNS = [
  ['SECONDS', run => run.seconds.toFixed(2)],
  ['TO DISK', run => run.secondsToDisk.toFixed(2)],
  ['CPU', run => run.cpuSeconds.toFixed(2)],
  ['PEAK MB', run => (run.peakBytes === undefined ? '-' : String(Math.round(run.peakBytes / 1e6)))],
  ['READ MiB', run => String(Math.round(run.read / MIB))],
  ['WROTE MiB', run => String(Math.round(run.written / MIB))],
]
const MEASURES = ['seconds', 'secondsToDisk', 'cpuSeconds', 'peakBytes', 'read', 'written']

/** Prints the head of the table of runs. */
export function printHead() {
  console.log(['ROUND ', ...COLUMNS.map(([name]) => name.padStart(9)), ' WHAT'].join(' '))
}

/** Prints a run. */
export function printRun(run) {
  printRow(String(run.round), run, run.sound ? run.contestant : `${run.contestant} (WRONG OUTCOME)`)
}

/** Prints the medians of each contestant's runs. */
export function printMedians(names, results) {
  for (const name of names) {
    const own = results.filter(({ contestant }) => contestant === name)
    const medians = MEASURES.map(key => [key, median(own.map(run => run[key]))])
    printRow('median', Object.fromEntries(medians), name)
  }
}

function printRow(label, run, name) {
  const cells = COLUMNS.map(([, text]) => text(run).padStart(9))
  console.log([label.padEnd(6), ...cells, ` ${name}`].join(' '))
}

/**
 * Prints how many times faster each contestant is than the first, round by round, and whether what is claimed
 * of the second one holds. Returns false when it does not, or when an outcome was wrong.
 *
 * @param isFullSize Whether the machine was large enough for the ratio to say anything.
 */
export function printVerdict([first, ...others], results, { isFullSize }) {
  const runsOf = name => results.filter(({ contestant }) => contestant === name)
  const base = new Map(runsOf(first).map(run => [run.round, run]))
  const ratios = (name, key) => runsOf(name).map(run => base.get(run.round)[key] / run[key])
  for (const name of others) {
    const middle = key => median(ratios(name, key)).toFixed(1)
    const each = ratios(name, 'seconds').map(ratio => ratio.toFixed(1))
    const besides = `${middle('secondsToDisk')} to disk, ${middle('cpuSeconds')} in processor time`
    console.log(`${name}: ${each.join(', ')}; median ${middle('seconds')} times faster (${besides})`)
  }
  const sound = results.every(run => run.sound)
  console.log(sound ? 'all runs left the same guest bytes' : 'NOT ALL RUNS LEFT THE SAME GUEST BYTES')
  const peak = Math.max(...others.flatMap(name => runsOf(name).map(run => run.peakBytes)))
  const isSmall = peak < MOST_MEMORY
  console.log(
    `${verdict(isSmall)} peak memory ${Math.round(peak / 1e6)} MB (claimed: under ${MOST_MEMORY / 1e6})`,
  )
  if (!isFullSize) {
    console.log('at a scale below 0.25 starting the programs is what takes the time; the ratio is not judged')
    return sound && isSmall
  }
  const ratio = median(ratios(others[0], 'seconds'))
  const isFast = ratio >= LEAST_RATIO
  console.log(`${verdict(isFast)} ${ratio.toFixed(1)} times faster (claimed: at least ${LEAST_RATIO})`)
  return sound && isSmall && isFast
}

function verdict(holds) {
  return holds ? 'holds:' : 'DOES NOT HOLD:'
}

function median(numbers) {
  const sorted = numbers.filter(number => number !== undefined).sort((a, b) => a - b)
  const middle = sorted.length / 2
  if (sorted.length === 0) return undefined
  return (sorted[Math.ceil(middle - 1)] + sorted[Math.floor(middle)]) / 2
}
