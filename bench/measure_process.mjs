// Preloaded into the measured process (node --import): says at its end what it took.
import { readFileSync, writeFileSync } from 'node:fs'

const report = process.env.VBOXMERGE_BENCH_REPORT

/** Bytes that the process asked to read and to write, and those of the latter that went towards a disk. */
function bytesMoved() {
  const text = readFileSync('/proc/self/io', 'utf8')
  const field = name => Number(new RegExp(`^${name}: (\\d+)$`, 'm').exec(text)?.[1] ?? Number.NaN)
  return { read: field('rchar'), written: field('wchar'), stored: field('write_bytes') }
}

// The programs that it starts inherit the environment, and are not what is measured.
delete process.env.VBOXMERGE_BENCH_REPORT

if (report !== undefined) {
  process.on('exit', () => {
    const { maxRSS, userCPUTime, systemCPUTime } = process.resourceUsage()
    const ownCpuSeconds = (userCPUTime + systemCPUTime) / 1e6
    writeFileSync(report, JSON.stringify({ peakBytes: maxRSS * 1024, ownCpuSeconds, ...bytesMoved() }))
  })
}
