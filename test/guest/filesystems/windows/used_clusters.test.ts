import t from 'tap'
import { GuestProblem } from '../../../../lib/guest/file_system.ts'
import { type ClusterRun, withoutUsed } from '../../../../lib/guest/filesystems/windows/used_clusters.ts'

/** What becomes of free runs among used ones: those that were handed on, or what was found. */
function told(
  used: readonly [first: number, count: number][],
  ...free: readonly [first: number, count: number][]
): unknown {
  const runs: ClusterRun[] = []
  const listen = withoutUsed(
    used.map(([first, count]) => ({ first, count, holds: `table ${first}` })),
    run => runs.push(run),
  )
  try {
    for (const [first, count] of free) listen({ first, count })
  } catch (error) {
    if (error instanceof GuestProblem) return error.reason.found
    throw error
  }
  return runs.map(({ first, count }) => [first, count])
}

t.test('free runs beside used ones are handed on', async t => {
  t.same(told([], [0, 10]), [[0, 10]])
  t.same(
    told(
      [
        [10, 5],
        [0, 2],
      ],
      [2, 8],
      [15, 1],
    ),
    [
      [2, 8],
      [15, 1],
    ],
  )
  t.same(told([[5, 0]], [0, 10]), [[0, 10]])
})

t.test('a free run that holds a used cluster is not believed', async t => {
  const found = (cluster: number, table: number): string =>
    `it calls cluster ${cluster} free, which holds its table ${table}`
  t.equal(
    told(
      [
        [30, 1],
        [10, 1],
      ],
      [5, 10],
    ),
    found(10, 10),
  )
  t.equal(told([[10, 5]], [0, 11]), found(10, 10))
  t.equal(told([[10, 5]], [14, 2]), found(14, 10))
  t.equal(told([[10, 5]], [0, 10], [12, 1]), found(12, 10))
  t.equal(
    told(
      [
        [30, 1],
        [20, 1],
        [10, 1],
      ],
      [0, 10],
      [11, 9],
      [21, 20],
    ),
    found(30, 30),
  )
  t.equal(
    told(
      [
        [0, 100],
        [10, 5],
        [50, 1],
      ],
      [40, 5],
    ),
    found(40, 0),
    'used ones that overlap',
  )
})
