import process from 'node:process'
import { setFlagsFromString } from 'node:v8'

/**
 * Keeps V8 from letting the place for new objects grow to 48 MB. It grows by what outlives a few milliseconds, which
 * here is little that is needed for long: what a large machine's settings and images say. For the process of a
 * program of our own only; it must be called before much is done.
 */
export function keepYoungHeapSmall(): void {
  // Deno takes no flags once it runs.
  if (process.versions.deno === undefined) setFlagsFromString('--semi-space-growth-factor=1')
}
