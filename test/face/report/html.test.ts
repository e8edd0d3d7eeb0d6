import t from 'tap'
import { escapeHtml, html, named, trusted } from '../../../lib/face/report/html.ts'

t.test('what is put into a template is escaped, wherever it stands', async t => {
  const name = `<b a='1' b="2">&amp;`
  const escaped = '&lt;b a=&#39;1&#39; b=&quot;2&quot;&gt;&amp;amp;'
  t.equal(html`<p title="${name}">${name}</p>`.markup, `<p title="${escaped}">${escaped}</p>`)
  t.equal(html`<ul>${['<', html`<li>${'>'}</li>`]}</ul>`.markup, '<ul>&lt;<li>&gt;</li></ul>')
})

t.test('pieces of HTML, numbers and nothing are put in as they are', async t => {
  t.equal(html`${named('a')}${trusted('<br>')}${1.5}${undefined}${[]}`.markup, '<bdi>a</bdi><br>1.5')
})

t.test('what cannot be seen, or turns the direction of text, is written out', async t => {
  t.equal(
    escapeHtml('a\u202eb\u0000c\u001bd\u2028e\ufefff\nג'),
    'a\\u202eb\\x00c\\x1bd\\u2028e\\ufefff\\x0aג',
  )
})
