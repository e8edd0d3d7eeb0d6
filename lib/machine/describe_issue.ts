import * as v from 'valibot'

/** Characters of a key that are shown; whoever wrote the document may have made it as long as they like. */
const LONGEST_PLACE = 100

/**
 * Says in a few words what is wrong with a JSON document, and where: `disks.0.bytes: Invalid type: Expected number`.
 * What stands there is not shown, because it may be anything.
 */
export function describeIssue(issue: v.BaseIssue<unknown>): string {
  const place = JSON.stringify((v.getDotPath(issue) ?? 'its root').slice(0, LONGEST_PLACE)).slice(1, -1)
  return `${place}: ${issue.message.replace(/ but received .*$/s, '')}`
}
