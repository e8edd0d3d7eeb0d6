import { Buffer } from 'node:buffer'
import t from 'tap'
import { parseXml } from '../../../lib/machine/xml/parse_xml.ts'
import { serializeXml } from '../../../lib/machine/xml/write_xml.ts'
import {
  copyFor,
  createElement,
  getAttribute,
  indentOf,
  insertElement,
  removeAttribute,
  removeElement,
  replaceElement,
  setAttribute,
  shiftContent,
} from '../../../lib/machine/xml/xml_edit.ts'
import {
  childElement,
  cloneDocument,
  eachElement,
  type XmlDocument,
  type XmlElement,
  type XmlStyle,
} from '../../../lib/machine/xml/xml_tree.ts'
import { testRandom } from '../../fixtures/test_run.ts'

const parsed = (text: string): XmlDocument => parseXml(Buffer.from(text))

const STYLE: XmlStyle = { eol: '\n', quote: '"', beforeClose: '', ascii: true }

function find(xml: XmlDocument, name: string): XmlElement {
  for (const element of eachElement(xml.root)) if (element.name === name) return element
  throw new Error(`There is no "${name}"`)
}

function edited(text: string, edit: (xml: XmlDocument) => void): string {
  const xml = parsed(text)
  edit(xml)
  return serializeXml(xml)
}

t.test('setAttribute() keeps place, quotes and, for the same value, the spelling', async t => {
  const set = (name: string, value: string, order: string[] = []): string =>
    edited('<a b = \'1\'\n  c="&#50;" e="3"/>', ({ root }) => setAttribute(root, name, value, STYLE, order))
  t.equal(set('c', '2'), '<a b = \'1\'\n  c="&#50;" e="3"/>')
  t.equal(set('b', '\'"'), '<a b = \'&apos;"\'\n  c="&#50;" e="3"/>')
  t.equal(set('d', 'x', ['c', 'd', 'e']), '<a b = \'1\'\n  c="&#50;" d="x" e="3"/>')
  t.equal(set('f', 'x', ['c', 'f']), '<a b = \'1\'\n  c="&#50;" e="3" f="x"/>')
  t.equal(set('f', 'x'), '<a b = \'1\'\n  c="&#50;" e="3" f="x"/>')
  t.throws(() => set('f', '\0'), RangeError)
})

t.test('getAttribute() and removeAttribute() look at exact names', async t => {
  const text = '<a B="1" b="&lt;&#10;" bb="3"/>'
  t.equal(getAttribute(parsed(text).root, 'b'), '<\n')
  t.equal(getAttribute(parsed(text).root, 'c'), undefined)
  t.equal(
    edited(text, ({ root }) => removeAttribute(root, 'b')),
    '<a B="1" bb="3"/>',
  )
})

t.test('insertElement() gives an element a line of its own where others have one', async t => {
  const insert = (text: string, next?: string): string =>
    edited(text, xml => {
      const parent = childElement(xml.root, 'b') ?? xml.root
      const sibling = next === undefined ? undefined : find(xml, next)
      insertElement(parent, createElement('x', [['y', '<']], STYLE), STYLE, sibling)
    })
  t.equal(insert('<a>\n  <b/>\n</a>'), '<a>\n  <b>\n    <x y="&lt;"/>\n  </b>\n</a>')
  t.equal(insert('<a>\n  <b>\n  </b>\n</a>'), '<a>\n  <b>\n    <x y="&lt;"/>\n  </b>\n</a>')
  t.equal(
    insert('<a>\n  <b>\n    <c/>\n  </b>\n</a>'),
    '<a>\n  <b>\n    <c/>\n    <x y="&lt;"/>\n  </b>\n</a>',
  )
  t.equal(
    insert('<a>\n\t<b>\n\t\t<c/>\n\t</b>\n</a>', 'c'),
    '<a>\n\t<b>\n\t\t<x y="&lt;"/>\n\t\t<c/>\n\t</b>\n</a>',
  )
  t.equal(insert('<a><b/></a>'), '<a><b><x y="&lt;"/></b></a>')
  t.equal(insert('<a><b><c/></b></a>', 'c'), '<a><b><x y="&lt;"/><c/></b></a>')
  t.equal(insert('<a/>'), '<a>\n  <x y="&lt;"/>\n</a>')
  t.equal(
    insert('<a>\n  <b><!-- c -->\n  </b>\n</a>'),
    '<a>\n  <b><!-- c -->\n    <x y="&lt;"/>\n  </b>\n</a>',
  )
})

t.test('removeElement() takes the line, and closes a parent that is left empty', async t => {
  const remove = (text: string, name: string): string =>
    edited(text, xml => removeElement(find(xml, name), STYLE))
  t.equal(remove('<a>\n  <b/>\n  <c/>\n</a>', 'b'), '<a>\n  <c/>\n</a>')
  t.equal(remove('<a>\n  <b/>\n  <c/>\n</a>', 'c'), '<a>\n  <b/>\n</a>')
  t.equal(remove('<a>\n  <b>\n    <c/>\n  </b>\n</a>', 'c'), '<a>\n  <b/>\n</a>')
  t.equal(
    remove('<a>\n  <b>\n    <!-- d -->\n    <c/>\n  </b>\n</a>', 'c'),
    '<a>\n  <b>\n    <!-- d -->\n  </b>\n</a>',
  )
  t.equal(remove('<a><b/>text<c/></a>', 'c'), '<a><b/>text</a>')
  t.throws(() => remove('<a/>', 'a'), TypeError)
})

t.test('replaceElement() puts each new element on its own line', async t => {
  const text = edited('<a>\n  <b/>\n  <c/>\n</a>', xml => {
    replaceElement(find(xml, 'b'), [createElement('x', [], STYLE), createElement('y', [], STYLE)], STYLE)
  })
  t.equal(text, '<a>\n  <x/>\n  <y/>\n  <c/>\n</a>')
})

t.test('copyFor() and shiftContent() move lines of markup, not of text', async t => {
  const text = '<a>\n  <b>\n    <c>d\n  e</c>\n    <f>\n    </f>\n  </b>\n</a>'
  const moved = edited(text, xml => {
    const copy = copyFor(find(xml, 'b'), '      ')
    insertElement(xml.root, copy, STYLE)
  })
  t.equal(
    moved,
    `${text.slice(0, -5)}\n  <b>\n        <c>d\n  e</c>\n        <f>\n    </f>\n      </b>\n</a>`,
  )
  t.equal(
    edited(moved, xml => shiftContent(xml.root, 0)),
    moved,
  )
  t.equal(
    edited(text, xml => shiftContent(xml.root, -3)),
    '<a>\n<b>\n <c>d\n  e</c>\n <f>\n    </f>\n</b>\n</a>',
    'never over the start of the line',
  )
})

t.test('shiftContent() comes to the same whether or not somebody looked inside', async t => {
  const text = '<a>\n  <b>\n    <c>\n \t<d>e\n f</d><!-- g\n -->\n  </c>\n\n</b>\n  <h/>\n</a>'
  const random = testRandom(t)
  for (let round = 0; round < 200; round++) {
    const [unread, read] = [parsed(text), parsed(text)]
    const moves = Array.from({ length: 1 + random.below(4) }, () => random.below(13) - 6)
    for (const columns of moves) {
      for (const element of eachElement(read.root)) t.ok(element.children)
      shiftContent(read.root, columns)
      shiftContent(unread.root, columns)
    }
    const copy = cloneDocument(unread)
    t.ok(unread.root.unread !== undefined && copy.root.unread !== undefined)
    t.equal(serializeXml(unread), serializeXml(read), moves.join(', '))
    for (const element of eachElement(copy.root)) t.ok(element.children)
    t.equal(serializeXml(copy), serializeXml(read), 'also a copy that is looked into afterwards')
  }
})

t.test('indentOf() tells where the line starts', async t => {
  const xml = parsed('<a>\r\n \t<b/><c><d/></c></a>')
  t.equal(indentOf(find(xml, 'b')), ' \t')
  t.equal(indentOf(find(xml, 'd')), '    ', 'an element without a line is taken for one')
  t.equal(indentOf(xml.root), '')
})
