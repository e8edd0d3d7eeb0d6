// Tables of measurements, and what they say about the claims.

const MIB = 2 ** 20

const COLUMNS = [
  ['SECONDS', run => run.seconds.toFixed(2)],
  ['TO DISK', run => run.secondsToDisk.toFixed(2)],
  ['CPU', run => run.cpuSeconds.toFixed(2)],
  ['PEAK MB', run => (run.peakBytes === undefined ? '-' : String(Math.round(run.peakBytes / 1e6)))],
  ['READ MiB', run => String(Math.round(run.read / MIB))],
  ['WROTE MiB', run => String(Math.round(run.written / MIB))],
]
const MEASURES = ['seconds', 'secondsToDisk', 'cpuSeconds', 'peakBytes', 'read', 'written', 'stored', 'bytes']

/** Prints the head of the table of runs. */
export function printHead() {
  console.log(['ROUND ', ...COLUMNS.map(([name]) => name.padStart(9)), ' WHAT'].join(' '))
}

/** Prints a run. */
export function printRun(run) {
  printRow(String(run.round), run, run.sound ? run.contestant : `${run.contestant} (WRONG OUTCOME)`)
}

function printRow(label, run, name) {
  const cells = COLUMNS.map(([, text]) => text(run).padStart(9))
  console.log([label.padEnd(6), ...cells, ` ${name}`].join(' '))
}

/** Prints the medians of each contestant's runs. */
export function printMedians(results) {
  for (const name of namesIn(results)) printRow('median', mediansOf(results, name), name)
}

/** Prints how many times faster each contestant is than the first, pair by pair. */
export function printRatios(results) {
  const [first, ...others] = namesIn(results)
  for (const name of others) {
    const each = ratios(results, first, name, 'seconds').map(ratio => ratio.toFixed(1))
    const middle = key => median(ratios(results, first, name, key)).toFixed(1)
    const besides = `${middle('secondsToDisk')} to disk, ${middle('cpuSeconds')} in processor time`
    console.log(`${name}: ${each.join(', ')} times faster; median ${middle('seconds')} (${besides})`)
  }
}

/** Returns by round how many times more of something the first took than the second. */
export function ratios(results, first, second, key) {
  const base = new Map(runsOf(results, first).map(run => [run.round, run]))
  return runsOf(results, second).map(run => base.get(run.round)[key] / run[key])
}

export function runsOf(results, name) {
  return results.filter(({ contestant }) => contestant === name)
}

/** Returns the medians of what was measured of a contestant. */
export function mediansOf(results, name) {
  const own = runsOf(results, name)
  return Object.fromEntries(MEASURES.map(key => [key, median(own.map(run => run[key]))]))
}

export function namesIn(results) {
  return [...new Set(results.map(({ contestant }) => contestant))]
}

/** Prints the claims; tells whether none of those that are judged is wrong. */
export function printClaims(claims) {
  console.log('\nCLAIM')
  const words = new Map([
    [true, 'holds'],
    [false, 'DOES NOT HOLD'],
    [undefined, 'not judged'],
  ])
  for (const { holds, claim, found, wanted } of claims) {
    console.log(`${words.get(holds).padEnd(13)}  ${claim}: ${found} (claimed: ${wanted})`)
  }
  return claims.every(({ holds }) => holds !== false)
}

export function median(numbers) {
  const sorted = numbers.filter(number => number !== undefined).sort((a, b) => a - b)
  const middle = sorted.length / 2
  if (sorted.length === 0) return undefined
  return (sorted[Math.ceil(middle - 1)] + sorted[Math.floor(middle)]) / 2
}
