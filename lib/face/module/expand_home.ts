import { join } from 'node:path'

/** Replaces a leading `~`, as a shell would and as Ansible's users expect; `~other` stays as it is. */
export function expandHome(path: string, home: () => string): string {
  if (path === '~') return home()
  return /^~[/\\]/.test(path) ? join(home(), path.slice(2)) : path
}
