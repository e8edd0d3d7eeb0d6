import t from 'tap'
import {
  formatChange,
  formatDate,
  formatSeconds,
  formatShare,
  joinPhrases,
  sizeText,
} from '../../../lib/face/report/words.ts'

const plain = (text: string): string => text.replaceAll('\u00a0', ' ')

t.test('a share is never told as nothing when it is something, nor as all when it is not', async t => {
  const shares = [
    [0, 100, '0 %'],
    [1, 1000, '< 1 %'],
    [5, 1000, '< 1 %'],
    [1, 100, '1 %'],
    [31, 100, '31 %'],
    [995, 1000, '> 99 %'],
    [100, 100, '100 %'],
    [5, 0, '0 %'],
  ] as const
  for (const [part, whole, text] of shares)
    t.equal(plain(formatShare(part, whole)), text, `${part} of ${whole}`)
})

t.test('sizes and their changes stay on one line', async t => {
  t.equal(sizeText(2048), '2.0\u00a0KiB')
  t.equal(sizeText(-2048), '\u22122.0\u00a0KiB')
  t.equal(plain(formatChange(4096, 1024)), '3.0 KiB (75 %) less')
  t.equal(plain(formatChange(1024, 4096)), '3.0 KiB (300 %) more')
  t.equal(plain(formatChange(0, 1024)), '1.0 KiB more')
  t.equal(formatChange(1, 1), 'no change')
})

t.test('times are told as people tell them', async t => {
  const times = [
    [0, '0.0 s'],
    [1.25, '1.3 s'],
    [59.94, '60 s'],
    [59.96, '1 min 0 s'],
    [125.4, '2 min 5 s'],
    [3599.6, '1 h 0 min'],
    [4800, '1 h 20 min'],
  ] as const
  for (const [seconds, text] of times) t.equal(plain(formatSeconds(seconds)), text, `${seconds}`)
  t.equal(formatDate(new Date('2026-01-31T23:05:59Z')), '31 January 2026, 23:05 UTC')
})

t.test('phrases are joined as in a sentence', async t => {
  t.same([[], ['a'], ['a', 'b'], ['a', 'b', 'c']].map(joinPhrases), ['', 'a', 'a and b', 'a, b and c'])
})
