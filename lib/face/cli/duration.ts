import type { Estimate } from '../../ensure/result.ts'
import { formatBytes } from './text.ts'

/** Writes a time for people: `less than a second`, `40 s`, `12 min`, `3 h 20 min`. */
export function formatDuration(seconds: number): string {
  if (seconds < 1) return 'less than a second'
  if (seconds < 100) return `${Math.round(seconds)} s`
  const minutes = Math.round(seconds / 60)
  if (minutes < 100) return `${minutes} min`
  const rest = minutes % 60
  return rest === 0 ? `${minutes / 60} h` : `${Math.floor(minutes / 60)} h ${rest} min`
}

/** Says how long work takes, about. */
export function aboutTime(seconds: number): string {
  return seconds <= 1 ? 'about a second' : `about ${formatDuration(seconds)}`
}

/** Says by which rate a time is reckoned, and how far to trust it. */
export function describeRate({ bytesPerSecond, measured }: Estimate): string {
  const rate = `${formatBytes(bytesPerSecond)}/s`
  return measured ? `${rate}, as fast as the disks were read` : `${rate}, which is a guess`
}

/** Says how long work takes, and why that is thought. */
export function describeTime(estimate: Estimate): string {
  const { seconds } = estimate
  if (seconds === null) return 'not known beforehand where VirtualBox does the work'
  return `${aboutTime(seconds)}, at ${describeRate(estimate)}`
}

/** Says what room work needs, a line for each file system. */
export function describeRoom({ space }: Estimate): string[] {
  return space.map(({ folder, neededBytes, missingBytes }) => {
    const needed = `${formatBytes(neededBytes)} while it works, in ${folder}`
    return missingBytes === 0
      ? `${needed}: there is room`
      : `${needed}: ${formatBytes(missingBytes)} too little is free there`
  })
}
