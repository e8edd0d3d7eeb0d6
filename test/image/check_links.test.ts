import t from 'tap'
import { checkLinks } from '../../lib/image/check_links.ts'
import { baseHeader, differencingHeader } from '../../lib/image/vdi/create.ts'
import type { VdiHeader } from '../../lib/image/vdi/header.ts'

const base = baseHeader({ capacity: 2 ** 20 })
const lower = differencingHeader({ parent: base })
const upper = differencingHeader({ parent: lower })

function check(...headers: VdiHeader[]): void {
  checkLinks(headers.map((header, index) => ({ path: `/${index}.vdi`, header })))
}

t.test('a chain whose images are each the child of the one below is sound', async t => {
  t.doesNotThrow(() => check(base))
  t.doesNotThrow(() => check(base, lower, upper))
  t.doesNotThrow(() => check({ ...base, variant: 'fixed' }, lower))
})

t.test('modification UUIDs do not matter', async t => {
  const stale = { ...upper, parentModification: undefined }
  t.doesNotThrow(() => check(base, { ...lower, parentModification: upper.id }, stale))
})

t.test('a link that leads elsewhere is refused with both UUIDs', async t => {
  const refusal = {
    code: 'chain_mismatch',
    message: new RegExp(`"/1.vdi": its parent is ${lower.id}, .* ${base.id} of`),
  }
  t.throws(() => check(base, upper), refusal)
  t.throws(() => check(base, { ...lower, parent: undefined }), {
    code: 'chain_mismatch',
    message: /parent is none/,
  })
})

t.test('a chain that does not start at a base is refused', async t => {
  t.throws(() => check(lower, upper), { code: 'chain_mismatch', message: /"\/0.vdi": .* expected is none/ })
  t.throws(() => check({ ...lower, parent: undefined }), {
    code: 'chain_mismatch',
    message: /without a parent/,
  })
})

t.test('a fixed image on top of another is refused', async t => {
  t.throws(() => check(base, { ...lower, variant: 'fixed' }), {
    code: 'chain_mismatch',
    message: /fixed image/,
  })
})

t.test('an image that occurs twice is refused', async t => {
  t.throws(() => check(base, { ...lower, id: base.id }), { code: 'chain_mismatch', message: /occurs twice/ })
})
