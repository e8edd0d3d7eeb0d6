import t from 'tap'
import {
  decodeAttribute,
  decodeText,
  encodeAttribute,
  encodeText,
} from '../../../lib/machine/xml/xml_text.ts'

t.test('decodeText() resolves references and turns line ends into \\n', async t => {
  t.equal(decodeText('a &lt;&amp;&gt; &quot;&apos; &#228;&#xE4;&#x1F600;'), 'a <&> "\' ää😀')
  t.equal(decodeText('a\r\nb\rc\nd&#13;'), 'a\nb\nc\nd\r')
  t.equal(decodeText('&amp;lt;'), '&lt;', 'is not resolved twice')
})

t.test('decodeAttribute() turns written white space into spaces and keeps that in references', async t => {
  t.equal(decodeAttribute('a\r\nb\tc\nd&#10;e&#9;f'), 'a b c d\ne\tf')
})

for (const reference of [
  '&',
  '&;',
  '&lt',
  '&nbsp;',
  '&#;',
  '&#0;',
  '&#x1;',
  '&#xD800;',
  '&#x110000;',
  '&#xFFFE;',
  '& lt;',
]) {
  t.test(`decodeText() refuses ${reference}`, async t => {
    t.throws(() => decodeText(`a${reference}b`), SyntaxError)
  })
}

t.test('encodeAttribute() and encodeText() escape as libxml2 does', async t => {
  const value = 'a<&>"\'\t\n\r ä😀'
  t.equal(encodeAttribute(value, '"', true), "a&lt;&amp;&gt;&quot;'&#9;&#10;&#13; &#xE4;&#x1F600;")
  t.equal(encodeAttribute(value, "'", false), 'a&lt;&amp;&gt;"&apos;&#9;&#10;&#13; ä😀')
  t.equal(encodeText(value, true), 'a&lt;&amp;&gt;"\'\t\n&#13; &#xE4;&#x1F600;')
})

t.test('what is encoded is decoded to itself', async t => {
  const value = '&amp; <a b="c">\u0085\ufeff\u2028]]>\r\n\t€😀'
  for (const ascii of [true, false]) {
    t.equal(decodeAttribute(encodeAttribute(value, '"', ascii)), value)
    t.equal(decodeAttribute(encodeAttribute(value, "'", ascii)), value)
    t.equal(decodeText(encodeText(value, ascii)), value)
  }
})

t.test('encodeText() and encodeAttribute() refuse characters that XML forbids', async t => {
  for (const character of ['\0', '\x01', '\x1f', '\ud800', '\udc00a', '\uffff']) {
    t.throws(() => encodeText(character, true), RangeError)
    t.throws(() => encodeAttribute(character, '"', false), RangeError)
  }
  t.throws(() => encodeText('\x07', true), {
    message: 'character U+0007 cannot be written to a settings file',
  })
})
