import t from 'tap'
import { FREE, ZERO } from '../../lib/blocks/constants.ts'
import { freshPlan, needsBelow, planBlocks } from '../../lib/blocks/plan_blocks.ts'
import { type ModelImage, makeImage } from '../fixtures/block_model.ts'
import { checkFold } from '../fixtures/check_fold.ts'
import { type ModelRange, toFoldRange } from '../fixtures/model_fold.ts'
import { randomFold } from '../fixtures/random_fold.ts'
import { budgetMs, sample, testRandom } from '../fixtures/test_run.ts'

const STATES = ['f', 'z', 'd'] as const

/** Every content of `blocks` blocks. */
function contents(blocks: number): string[] {
  if (blocks === 0) return ['']
  return contents(blocks - 1).flatMap(rest => STATES.map(state => state + rest))
}

/** Every subset of the blocks below `blocks`. */
function subsets(blocks: number): Set<number>[] {
  return Array.from({ length: 2 ** blocks }, (_, mask) => {
    return new Set(Array.from({ length: blocks }, (_, block) => block).filter(block => (mask >> block) & 1))
  })
}

/** Every contiguous range of a chain. */
function rangesOf(images: number): { target: number; top: number }[] {
  return Array.from({ length: images }, (_, target) => target).flatMap(target => {
    return Array.from({ length: images - target }, (_, above) => ({ target, top: target + above }))
  })
}

/** The ways in which `used` slots can lie in a file of at most `room` slots: in order, reversed, with orphans. */
function slotOrders(used: number, room: number): { order: number[]; allocated: number }[] {
  const inOrder = Array.from({ length: used }, (_, slot) => slot)
  const orders = [{ order: inOrder, allocated: used }]
  if (used > 1) orders.push({ order: [...inOrder].reverse(), allocated: used })
  if (used < room) orders.push({ order: inOrder.map(slot => slot + 1), allocated: used + 1 })
  if (used < room) orders.push({ order: [...inOrder].reverse(), allocated: room })
  return orders
}

function image(index: number, content: string, more: Partial<ModelImage> = {}, way = 0): ModelImage {
  const blockSize = more.blockSize ?? 1
  const used = [...content].filter(state => state === 'd').length
  const orders = slotOrders(used, content.length)
  return makeImage({
    variant: more.variant ?? (index === 0 ? 'dynamic' : 'differencing'),
    blockSize,
    capacity: more.capacity ?? content.length * blockSize,
    content,
    mark: 1000 * (index + 1),
    ...orders[way % orders.length],
  })
}

function describe(chain: readonly ModelImage[], range: ModelRange): string {
  const images = chain.map(({ variant, blockSize, capacity, allocated, table }) => {
    return `${variant} ${blockSize}x ${capacity} (${allocated}) ${table.join(' ')}`
  })
  return `${images.join(' | ')}; ${range.target}..${range.top} dead ${[...(range.dead ?? [])]}`
}

// So many plans take their time where other tests run beside them.
t.setTimeout(300_000)

let cases = 0

function check(chain: readonly ModelImage[], range: ModelRange): void {
  cases++
  try {
    checkFold(chain, range, cases % 4 === 0)
  } catch (error) {
    throw new Error(describe(chain, range), { cause: error })
  }
}

/** A chain of images of equal blocks; `content` holds the states of all of them, lowest first. */
function chainOf(
  images: number,
  blocks: number,
  content: string,
  way: number,
  base: ModelImage['variant'],
): ModelImage[] {
  return Array.from({ length: images }, (_, index) => {
    const part = content.slice(blocks * index, blocks * (index + 1))
    return image(index, part, index === 0 ? { variant: base } : {}, way)
  })
}

/** The number of ways of `slotOrders` in which these images differ. */
function waysOf(images: number, blocks: number, content: string): number {
  const parts = Array.from({ length: images }, (_, index) =>
    content.slice(blocks * index, blocks * (index + 1)),
  )
  const used = parts.map(part => [...part].filter(state => state === 'd').length)
  return Math.max(...used.map(count => slotOrders(count, blocks).length))
}

t.test('every fold of up to three images of two blocks, with every set of dead blocks', async t => {
  const dead = subsets(2)
  for (const images of [1, 2, 3]) {
    for (const base of ['dynamic', 'fixed'] as const) {
      for (const content of contents(2 * images)) {
        for (let way = 0; way < (base === 'fixed' ? 1 : waysOf(images, 2, content)); way++) {
          const chain = chainOf(images, 2, content, way, base)
          for (const range of rangesOf(images)) for (const set of dead) check(chain, { ...range, dead: set })
        }
      }
    }
  }
  t.pass(`${cases} folds`)
})

t.test('folds of three images of three blocks: every one in CI, else one in four', async t => {
  const dead = subsets(3)
  const before = cases
  const whole = { target: 0, top: 2 }
  const ranges = rangesOf(3).filter(({ target, top }) => target > 0 || top < 2)
  for (const content of sample(contents(9), 4)) {
    // Shorter ranges show nothing that chains of two blocks do not, so two of them do for each content.
    const shorter = [ranges[cases % 5], ranges[(cases + 2) % 5]] as ModelRange[]
    for (const range of [whole, ...shorter]) {
      const base = range.target === 0 && cases % 5 === 0 ? 'fixed' : 'dynamic'
      const set = cases % 2 === 0 ? new Set<number>() : dead[(cases >> 1) % dead.length]
      check(chainOf(3, 3, content, cases % 4, base), { ...range, dead: set as Set<number> })
    }
  }
  t.pass(`${cases - before} folds`)
})

const isExhaustive = process.env.PLAN_EXHAUSTIVE === '1'

/** The contents of four images of three blocks that differ in more than the order of the blocks. */
function* fourByThree(): Generator<string> {
  const columns = contents(4)
  for (let first = 0; first < columns.length; first++) {
    for (let second = first; second < columns.length; second++) {
      for (let third = second; third < columns.length; third++) {
        const blocks = [columns[first], columns[second], columns[third]] as string[]
        yield [0, 1, 2, 3].map(index => blocks.map(column => column[index]).join('')).join('')
      }
    }
  }
}

t.test(
  'folds of four images of three blocks: all with PLAN_EXHAUSTIVE=1, else some of each third',
  async t => {
    let turn = testRandom(t).below(3)
    const dead = subsets(3)
    const before = cases
    const ranges = rangesOf(4)
    for (const content of fourByThree()) {
      if (!isExhaustive && turn++ % 3 !== 0) continue
      const wanted = isExhaustive ? ranges : [ranges[cases % ranges.length] as ModelRange]
      for (const range of wanted) {
        const set = dead[(cases >> 2) % dead.length] as Set<number>
        const chosen = cases % 3 === 0 ? range : { ...range, dead: set }
        check(chainOf(4, 3, content, (cases >> 3) % 4, 'dynamic'), chosen)
        if (isExhaustive && range.target === 0) check(chainOf(4, 3, content, 0, 'fixed'), range)
      }
    }
    t.pass(`${cases - before} folds`)
  },
)

t.test('every fold of two images with blocks and disks of different sizes', async t => {
  const before = cases
  let skipped = 0
  const capacities = [3, 4, 5].flatMap(lower => [3, 4, 5].map(upper => [lower, upper] as const))
  for (const [lower, upper] of capacities.filter(([lower, upper]) => lower <= upper)) {
    for (const lowerBlock of [1, 2, 4]) {
      for (const upperBlock of [1, 2, 4]) {
        for (const low of contents(Math.ceil(lower / lowerBlock))) {
          for (const high of contents(Math.ceil(upper / upperBlock))) {
            if (low.length + high.length > 6 && skipped++ % 16 !== 0) continue
            const bottom = image(0, 'd'.repeat(upper), { capacity: lower })
            const under = { blockSize: lowerBlock, capacity: lower }
            const over = image(2, high, { blockSize: upperBlock, capacity: upper })
            check([image(0, low, under, cases % 4), over], { target: 0, top: 1 })
            check([bottom, image(1, low, under, cases % 4), over], { target: 1, top: 2 })
          }
        }
      }
    }
  }
  t.pass(`${cases - before} folds`)
})

t.test('random folds of mixed blocks, sizes, orphans and dead blocks', async t => {
  const random = testRandom(t)
  const end = Date.now() + budgetMs(2)
  const before = cases
  while (Date.now() < end) {
    const { chain, range } = randomFold(random)
    check(chain, range)
  }
  t.pass(`${cases - before} folds`)
})

t.test('a block that the target holds and shows stays in its slot and is not written', async t => {
  const chain = [image(0, 'dfd'), image(1, 'fdf')]
  const plan = planBlocks(toFoldRange(chain, { target: 0, top: 1 }))
  t.same([...plan.table], [0, 2, 1], 'the new block comes behind the others')
  t.same([...plan.writes], [1])
  t.same(plan.pieces(1), [{ offset: 0, length: 1, source: { image: 1, slot: 0, offset: 0 } }])
  t.same(plan.costs, { readBytes: 1, writtenBytes: 5, neededBytes: 1, freedBytes: -1 })
})

t.test('blocks behind the new end move into the slots of dropped ones', async t => {
  const plan = planBlocks(toFoldRange([image(0, 'ddd')], { target: 0, top: 0, dead: new Set([0]) }))
  t.same([...plan.drops], [0])
  t.same([...plan.table].slice(1), [1, 0], 'the last block lies in the first slot')
  t.same([...plan.entries], [2])
  t.equal(plan.costs.freedBytes, 1)
})

t.test('nothing is planned for a single image without dead blocks and orphans', async t => {
  const plan = planBlocks(toFoldRange([image(0, 'dfz')], { target: 0, top: 0 }))
  t.notOk(plan.changed)
  t.same([plan.drops.length, plan.writes.length, plan.entries.length], [0, 0, 0])
})

t.test('an orphan at the end alone is a change: the file gets shorter', async t => {
  const orphan = makeImage({
    variant: 'dynamic',
    blockSize: 1,
    capacity: 3,
    content: 'dff',
    mark: 0,
    allocated: 2,
  })
  const plan = planBlocks(toFoldRange([orphan], { target: 0, top: 0 }))
  t.ok(plan.changed)
  t.equal(plan.allocatedBlocks, 1)
  t.equal(plan.costs.freedBytes, 1)
  t.same([plan.drops.length, plan.writes.length, plan.entries.length], [0, 0, 0])
})

t.test('a block that a newer image overwrote with zeros gives its slot back', async t => {
  const base = planBlocks(toFoldRange([image(0, 'dd'), image(1, 'zf')], { target: 0, top: 1 }))
  t.same([...base.table], [FREE, 0])
  const middle = planBlocks(
    toFoldRange([image(0, 'dd'), image(1, 'dd'), image(2, 'zf')], { target: 1, top: 2 }),
  )
  t.same([...middle.table], [ZERO, 0], 'in a differencing image it stays ZERO and hides the parent')
})

t.test('a last block of which the disk shows a part gives its slot back when that part is zeros', async t => {
  const chain = [image(0, 'd', { blockSize: 4, capacity: 2 }), image(1, 'zz', { capacity: 2 })]
  t.same([...planBlocks(toFoldRange(chain, { target: 0, top: 1 })).table], [FREE])
})

t.test('an existing ZERO of a base stays as it is', async t => {
  const plan = planBlocks(toFoldRange([image(0, 'zf'), image(1, 'zz')], { target: 0, top: 1 }))
  t.same([...plan.table], [ZERO, FREE])
  t.notOk(plan.changed)
})

t.test('a dropped block is not read', async t => {
  const plan = planBlocks(
    toFoldRange([image(0, 'dd'), image(1, 'dd')], { target: 0, top: 1, dead: new Set([0, 1]) }),
  )
  t.equal(plan.costs.readBytes, 0)
  t.equal(plan.allocatedBlocks, 0)
})

t.test('a table that has no room for the larger disk asks for a fresh file with a larger one', async t => {
  const range = toFoldRange([image(0, 'dd'), image(1, 'ddddd')], { target: 0, top: 1 })
  const target = { ...range.target, tableOffset: 4080 }
  t.equal(planBlocks({ ...range, target }).needsFresh, true)
  const fresh = freshPlan({ ...range, target })
  t.same([fresh.tableOffset, fresh.dataOffset, fresh.table.length], [4080, 2 ** 20, 5])
  t.equal(planBlocks(range).needsFresh, false, 'where there is room the table grows in its place')
})

t.test('a fresh file moves its block table to a sector when the old one lies askew', async t => {
  const range = toFoldRange([image(0, 'dd')], { target: 0, top: 0 })
  const fresh = freshPlan({ ...range, target: { ...range.target, tableOffset: 513 } })
  t.same([fresh.tableOffset, fresh.dataOffset], [1024, 4096])
})

t.test('input that contradicts itself is refused', async t => {
  const range = toFoldRange([image(0, 'ddd'), image(1, 'fff')], { target: 0, top: 1 })
  const refused = (target: Partial<typeof range.target>, problem: RegExp): void => {
    t.throws(() => planBlocks({ ...range, target: { ...range.target, ...target } }), problem)
  }
  refused({ table: Uint32Array.of(0, 1, 1) }, /two blocks are in slot 1/)
  refused({ table: Uint32Array.of(0, 1, 3) }, /slot 3 is not in the target/)
  refused({ table: Uint32Array.of(0, 1) }, /shorter than its disk/)
  refused({ allocatedBlocks: 2 ** 31 }, /counts 2147483648 of 3 blocks/)
  refused({ capacity: 4 }, /the top has 3 bytes/)
  t.throws(() => planBlocks({ ...range, capacity: 4 }), /a disk of another size/)
})

t.test('a differencing image with larger blocks needs to know what lies below', async t => {
  const chain = [image(0, 'dd'), image(1, 'f', { blockSize: 2 }), image(2, 'df')]
  const range = toFoldRange(chain, { target: 1, top: 2 })
  t.ok(needsBelow(range.target, 1))
  t.notOk(needsBelow(range.target, 2))
  t.notOk(needsBelow({ ...range.target, variant: 'dynamic' }, 1))
  t.throws(() => planBlocks({ ...range, below: undefined }), /completed from the images below/)
  t.same(planBlocks(range).pieces(0), [
    { offset: 0, length: 1, source: { image: 2, slot: 0, offset: 0 } },
    { offset: 1, length: 1, source: { image: 0, slot: 1, offset: 0 } },
  ])
})

t.teardown(() => t.comment(`${cases} folds checked`))
