import { readFileSync } from 'node:fs'

interface Package {
  readonly name?: string
  readonly version?: string
}

/** Returns the version of the package that this file belongs to; sources and built files lie differently deep. */
export function packageVersion(): string {
  for (const up of ['../../../package.json', '../../../../package.json']) {
    const found = readPackage(new URL(up, import.meta.url))
    if (found?.name === 'vboxmerge') return found.version ?? 'unknown'
  }
  return 'unknown'
}

function readPackage(url: URL): Package | undefined {
  try {
    return JSON.parse(readFileSync(url, 'utf8')) as Package
  } catch {
    return undefined
  }
}
