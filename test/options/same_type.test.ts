import t from 'tap'
import * as v from 'valibot'
import { exactly, type Same } from '../../lib/options/same_type.ts'

// What these lines claim is checked by the type check (`npm run check`); running them proves nothing.
function holds<_Claim extends true>(): void {}
function fails<_Claim extends false>(): void {}

t.test('two types are the same only when they agree in both directions', async t => {
  holds<Same<{ a?: number; b: string }, { readonly b: string; readonly a?: number }>>()
  fails<Same<{ a?: number }, { a?: number; b?: string }>>()
  fails<Same<{ a?: number; b?: string }, { a?: number }>>()
  fails<Same<{ a?: number }, { a: number }>>()
  fails<Same<{ a: 'x' | 'y' }, { a: 'x' }>>()
  fails<Same<{ a: number }, { a: unknown }>>()
  t.pass('as the type check says')
})

t.test('exactly() hands the schema back, and takes no schema that differs from the interface', async t => {
  const schema = v.strictObject({ a: v.exactOptional(v.number(), 1) })
  t.equal(exactly<{ readonly a?: number }, { readonly a: number }>()(schema), schema)
  // @ts-expect-error an option that the interface does not know
  exactly<{ readonly b?: number }, { readonly a: number }>()(schema)
  // @ts-expect-error an option that the schema does not know
  exactly<{ readonly a?: number; readonly b?: number }, { readonly a: number }>()(schema)
  // @ts-expect-error a value that the schema does not take
  exactly<{ readonly a?: number | string }, { readonly a: number }>()(schema)
  // @ts-expect-error a default that the interface does not promise
  exactly<{ readonly a?: number }, { readonly a?: number }>()(schema)
})
