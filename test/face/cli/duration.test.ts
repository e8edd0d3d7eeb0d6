import t from 'tap'
import { formatDuration } from '../../../lib/face/cli/duration.ts'

t.test('times are told in the unit that one would use', async t => {
  const cases: [number, string][] = [
    [0.2, 'less than a second'],
    [1, '1 s'],
    [99, '99 s'],
    [100, '2 min'],
    [5400, '90 min'],
    [7200, '2 h'],
    [7500, '2 h 5 min'],
  ]
  for (const [seconds, text] of cases) t.equal(formatDuration(seconds), text)
})
