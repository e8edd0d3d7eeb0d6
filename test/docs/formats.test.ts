// docs/formats.md says where the fields of a VDI are, and names every file and item that the sources make.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { AT } from '../../lib/image/vdi/layout.ts'
import { readPage, root } from './fixtures/pages.ts'

const page = readPage('docs/formats.md').text

t.test('the table of a VDI is that of the code', async t => {
  const rows = [...page.matchAll(/^\| 0x([0-9a-f]{3}) \| `(\w+)` \|/gm)]
  t.same(Object.fromEntries(rows.map(([, offset, name]) => [name, Number.parseInt(offset ?? '', 16)])), AT)
})

t.test('every file and every item of extra data is explained', async t => {
  const sources = readdirSync(join(root, 'lib'), { recursive: true }).map(String)
  const names = new Set(
    sources
      .filter(name => name.endsWith('.ts'))
      .flatMap(
        name => readFileSync(join(root, 'lib', name), 'utf8').match(/vboxmerge[-/](?!\$)[a-z]+/g) ?? [],
      ),
  )
  t.ok(names.size > 10)
  for (const name of names) t.match(page, name, name)
})
