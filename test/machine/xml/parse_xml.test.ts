import { Buffer } from 'node:buffer'
import { readdirSync, readFileSync } from 'node:fs'
import { DOMParser, type Element, onWarningStopParsing } from '@xmldom/xmldom'
import t from 'tap'
import { MAX_DEPTH, parseXml } from '../../../lib/machine/xml/parse_xml.ts'
import { serializeXml, xmlPieces } from '../../../lib/machine/xml/write_xml.ts'
import { decodeAttribute } from '../../../lib/machine/xml/xml_text.ts'
import {
  childElements,
  cloneDocument,
  eachElement,
  isElement,
  type XmlDocument,
  type XmlElement,
} from '../../../lib/machine/xml/xml_tree.ts'
import { randomSeconds, testRandom } from '../../fixtures/test_run.ts'

const RECORDED = new URL('../../fixtures/settings/recorded/', import.meta.url)
const recorded = readdirSync(RECORDED).map(file => readFileSync(new URL(file, RECORDED), 'utf8'))

const parsed = (text: string): XmlDocument => parseXml(Buffer.from(text))

const KEPT: Readonly<Record<string, string>> = {
  'an element without content': '<a/>',
  'white space in tags': '<a  b = "c"\n\td=\'"\' ><e /></a  >\n\n',
  'CRLF and lone CR': '<?xml version="1.0"?>\r\n<a>\r\n  <b/>\r</a>\r\n',
  'comments, instructions and CDATA': '<!-- a --><?b c?><a><!--<x>--><![CDATA[<&]]]]><?d?></a><!---->',
  'every way to write a character': '<a b="&quot;&#34;&#x22;\'">&#60;&lt;&amp;&gt;></a>',
  'characters outside ASCII': '<ä ö="ü">😀\u0085\ufeff</ä>',
  'a declaration with an encoding': "<?xml version='1.0' encoding='utf-8' standalone='yes' ?><a></a>",
}

for (const [name, text] of Object.entries(KEPT)) {
  t.test(`parseXml() keeps ${name}`, async t => {
    const xml = parsed(text)
    t.equal(serializeXml(xml), text)
    t.equal(serializeXml(cloneDocument(xml)), text, 'also in a copy')
  })
}

const REFUSED: Readonly<Record<string, string>> = {
  'an empty text': '',
  'no element': ' <!-- a -->',
  'text in front': 'a<b/>',
  'a root that starts with something else': 'aa b="c"></a>',
  'two roots': '<a/><b/>',
  'text behind': '<a/>b',
  'no end': '<a><b></b>',
  'a wrong end tag': '<a></b>',
  'an end tag that is longer': '<a></ab>',
  'an end without start': '</a>',
  'an open start tag': '<a b="c"',
  'an open value': '<a b="c>',
  'a value without quotes': '<a b=c/>',
  'no value': '<a b/>',
  'no space between attributes': '<a b="c"d="e"/>',
  'an attribute twice': '<a b="c" b="d"/>',
  'a < in a value': '<a b="<"/>',
  'a ]]> in text': '<a>]]></a>',
  'an unknown entity': '<a>&b;</a>',
  'a lone &': '<a b="&"/>',
  'a forbidden character': '<a>\x01</a>',
  'a NUL': '<a>\0</a>',
  'a reference to a forbidden character': '<a>&#0;</a>',
  'two dashes in a comment': '<a><!-- -- --></a>',
  'an open comment': '<a><!-- </a>',
  'an open CDATA section': '<a><![CDATA[ </a>',
  'CDATA outside': '<![CDATA[a]]><b/>',
  'a second declaration': '<a><?xml version="1.0"?></a>',
  'a late declaration': ' <?xml version="1.0"?><a/>',
  'another encoding': '<?xml version="1.0" encoding="ISO-8859-1"?><a/>',
  'a broken declaration': '<?xml?><a/>',
  'an instruction whose name ends in markup': '<a><?xm< version="1.0"?></a>',
  'a name that starts with a digit': '<1a/>',
  'a document type': '<!DOCTYPE a><a/>',
  'an entity bomb': '<!DOCTYPE a [<!ENTITY b "bb"><!ENTITY c "&b;&b;">]><a>&c;</a>',
  'markup that is none': '<a><!b></a>',
}

for (const [name, text] of Object.entries(REFUSED)) {
  t.test(`parseXml() refuses ${name}`, async t => {
    t.throws(() => parsed(text), { name: 'SyntaxError', message: /^line 1: / })
  })
}

t.test('parseXml() names the line', async t => {
  t.throws(() => parsed('<a>\n\n<b></c>\n</a>'), {
    message: 'line 3: there is "</c" where "</b>" was to come',
  })
})

t.test('parseXml() finds characters wherever they lie in a long text', async t => {
  const piece = 64 * 1024
  for (const at of [piece - 4, piece - 3, piece - 2, piece - 1, piece, 2 * piece - 1]) {
    for (const character of ['é', '€', '😀']) {
      const text = `<a>${'\n'.repeat(at - 3)}${character}</a>`
      t.equal(serializeXml(parsed(text)), text)
      const bytes = Buffer.from(text)
      t.throws(() => parseXml(bytes.subarray(0, at + 1)), { message: /UTF-8/ }, 'cut')
      bytes[at] = 0xff
      t.throws(() => parseXml(bytes), { message: /UTF-8/ })
    }
    const wrong = `<a>${'\n'.repeat(at - 3)}é\x01</a>`
    t.throws(() => parsed(wrong), { message: `line ${at - 2}: there is a character that XML forbids` })
  }
  for (const bytes of [[0xc0, 0x80], [0xed, 0xa0, 0x80], [0xf4, 0x90, 0x80, 0x80], [0x80]]) {
    const text = Buffer.concat([Buffer.from('<a>'), Buffer.from(bytes), Buffer.from('</a>')])
    t.throws(() => parseXml(text), { message: /UTF-8/ })
  }
})

t.test('xmlPieces() yields all of a long text, whether it was looked into or not', async t => {
  const text = `<a><b c="d">${'x'.repeat(2_500_000)}</b>\n<e>${'é'.repeat(700_000)}</e></a>`
  const xml = parsed(text)
  for (const seen of [0, 3]) {
    t.equal(seen === 0 ? 0 : [...eachElement(xml.root)].length, seen)
    const pieces = Array.from(xmlPieces(xml), piece => Buffer.from(piece))
    t.equal(Buffer.concat(pieces).toString(), text)
    t.ok(pieces.length === 4 && pieces.every(({ length }) => length <= 2 ** 20))
  }
})

t.test('parseXml() reads deep trees and refuses bottomless ones', async t => {
  const nested = (depth: number): string => '<a>'.repeat(depth) + '</a>'.repeat(depth)
  t.equal(serializeXml(cloneDocument(parsed(nested(MAX_DEPTH)))), nested(MAX_DEPTH))
  t.throws(() => parsed(nested(MAX_DEPTH + 1)), { message: /more than 4096 elements/ })
  t.throws(() => parsed('<a>'.repeat(1_000_000)), SyntaxError)
})

t.test('parseXml() reads many siblings and long values in little time', async t => {
  const text = `<a b="${'x'.repeat(5_000_000)}">${'<c d="e"/>'.repeat(50_000)}</a>`
  const started = Date.now()
  const xml = parsed(text)
  t.equal(childElements(xml.root).length, 50_000)
  t.equal([...eachElement(xml.root)].length, 50_001)
  t.equal(serializeXml(cloneDocument(xml)).length, text.length)
  t.ok(Date.now() - started < 20_000)
})

t.test('parseXml() reads what xmldom reads, and nothing that xmldom refuses', async t => {
  const random = testRandom(t)
  const seconds = randomSeconds(2)
  const until = Date.now() + seconds * 1000
  const pieces = [
    '<',
    '>',
    '/',
    '"',
    "'",
    '&',
    ';',
    '=',
    ' ',
    '\n',
    'a',
    '<a>',
    '</a>',
    '&amp;',
    '<!--',
    '-->',
    ']]>',
  ]
  const short = '<a b="c &lt;"> x <d e=\'f\'/>\n<!-- g --><h>i &#10; j</h></a>'
  let accepted = 0
  let tried = 0
  const wrong: string[] = []
  while (Date.now() < until || tried < 100) {
    const source = tried % 20 === 0 ? (recorded[random.below(recorded.length)] ?? short) : short
    const text = mutate(source, pieces, below => random.below(below), tried % 3)
    const ours = attempt(() => outline(parsed(text).root))
    if (ours !== undefined) {
      accepted++
      const theirs = attempt(() => outlineOfDom(text))
      if (ours !== theirs) wrong.push(text.slice(0, 400))
    }
    tried++
  }
  t.same(wrong, [])
  t.ok(accepted > 0 && accepted < tried, `${accepted} of ${tried} texts were well-formed`)
})

function attempt(read: () => string): string | undefined {
  try {
    return read()
  } catch {
    return undefined
  }
}

function mutate(
  text: string,
  pieces: readonly string[],
  below: (limit: number) => number,
  times: number,
): string {
  let result = text
  for (let time = 0; time < times; time++) {
    const at = below(result.length + 1)
    const piece = pieces[below(pieces.length)] ?? ''
    result = result.slice(0, at) + piece + result.slice(at + below(3))
  }
  return result
}

function outline(root: XmlElement): string {
  return [...eachElement(root)]
    .map(element => {
      const attributes = element.attributes.map(
        ({ name, raw }) => `${name}=${JSON.stringify(decodeAttribute(raw))}`,
      )
      const parent = isElement(element.parent) ? element.parent.name : ''
      return `${parent}/${element.name} ${attributes.join(' ')}`
    })
    .join('\n')
}

function outlineOfDom(text: string): string {
  const root = new DOMParser({ onError: onWarningStopParsing }).parseFromString(
    text,
    'text/xml',
  ).documentElement
  const lines: string[] = []
  const waiting = root === null ? [] : [root]
  for (let element = waiting.pop(); element !== undefined; element = waiting.pop()) {
    const attributes = [...element.attributes].map(({ name, value }) => `${name}=${JSON.stringify(value)}`)
    const parent = element.parentNode === root?.parentNode ? '' : (element.parentNode?.nodeName ?? '')
    lines.push(`${parent}/${element.nodeName} ${attributes.join(' ')}`)
    const children = [...element.childNodes].filter((node): node is Element => node.nodeType === 1)
    waiting.push(...children.reverse())
  }
  return lines.join('\n')
}
