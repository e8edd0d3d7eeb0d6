// What is claimed, held against what was measured.
import { median, mediansOf, namesIn, ratios, runsOf } from './report.mjs'

const MIB = 2 ** 20
const MOST_MEMORY = 150_000_000

/** Bytes written against those that have to be. */
const MOST_WRITTEN = 1.05

/** Table entries, settings and a journal, beside the blocks. */
const SIDE_BYTES = 4 * MIB

/**
 * How many times faster one is than another, where both left what they should.
 *
 * @param aim Undefined where the machine is so small that starting programs is what takes the time.
 */
export function speedClaim(claim, results, theirs, ours, aim) {
  const ratio = median(ratios(results, theirs, ours, 'seconds'))
  const sound = [...runsOf(results, theirs), ...runsOf(results, ours)].every(run => run.sound)
  const found = sound ? `${ratio.toFixed(1)} times faster` : 'WRONG OUTCOME'
  if (aim === undefined)
    return { claim, holds: sound ? undefined : false, found, wanted: 'nothing, too small' }
  return { claim, holds: sound && ratio >= aim, found, wanted: `at least ${aim}` }
}

/**
 * How our first contestant does against the fastest of the others that leaves what it should, and that its outcome is
 * no larger.
 */
export function golden(claim, results, aim) {
  const names = namesIn(results)
  const isOurs = name => runsOf(results, name)[0].isOurs === true
  const ours = names.find(isOurs)
  const correct = names.filter(name => !isOurs(name) && runsOf(results, name).every(run => run.sound))
  const secondsOf = name => mediansOf(results, name).seconds
  const [best] = correct.sort((one, other) => secondsOf(one) - secondsOf(other))
  if (best === undefined) return [{ claim, holds: true, found: 'no other way was right', wanted: 'one' }]
  const [own, other] = [ours, best].map(name => mediansOf(results, name).bytes / MIB)
  return [
    speedClaim(`${claim}, against "${best}"`, results, best, ours, aim),
    {
      claim: `${claim}, size of the outcome`,
      holds: own <= other,
      found: `${own.toFixed(0)} MiB against ${other.toFixed(0)} MiB`,
      wanted: 'not larger',
    },
  ]
}

/**
 * Bytes that were written against those that have to be. Where files can share blocks, none have to.
 *
 * @param floor Bytes of blocks whose newest data are not in the base yet.
 */
export function bytesClaims(claim, results, name, floor) {
  const written = mediansOf(results, name).written
  if (written < Math.max(SIDE_BYTES, floor / 10)) {
    const found = `${(written / MIB).toFixed(1)} MiB`
    return [
      { claim: `${claim}, bytes written`, holds: written < SIDE_BYTES, found, wanted: 'under 4 MiB, shared' },
    ]
  }
  const share = (written - SIDE_BYTES) / floor
  const found = `${(written / MIB).toFixed(0)} MiB for ${(floor / MIB).toFixed(0)} MiB of blocks`
  return [
    {
      claim: `${claim}, bytes written`,
      holds: share <= MOST_WRITTEN,
      found,
      wanted: `at most ${MOST_WRITTEN} times`,
    },
  ]
}

/** What the disk alone takes for the bytes that have to be written, for comparison; nothing is claimed. */
export function floorClaims(claim, results, name, floor, speed) {
  const { seconds, written } = mediansOf(results, name)
  if (written < floor / 10) return []
  const found = `${seconds.toFixed(2)} s, and ${(floor / speed).toFixed(2)} s for writing alone`
  return [{ claim: `${claim}, against the disk`, holds: undefined, found, wanted: 'nothing' }]
}

export function memoryClaim(claim, results) {
  const peak = Math.max(...results.filter(({ isOurs }) => isOurs).map(run => run.peakBytes))
  const found = `${(peak / 1e6).toFixed(0)} MB`
  return { claim: `${claim}, peak memory`, holds: peak < MOST_MEMORY, found, wanted: 'under 150 MB' }
}
