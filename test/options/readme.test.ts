import { existsSync, readFileSync } from 'node:fs'
import t from 'tap'
import { runFake } from '../face/cli/fixtures/fake_surroundings.ts'
import { matchesFile } from '../face/cli/fixtures/matches_file.ts'
import { readmeTables, withTables } from './fixtures/readme_tables.ts'

const root = new URL('../../', import.meta.url)
const readmeUrl = new URL('README.md', root)
const readme = readFileSync(readmeUrl, 'utf8')

t.test('the tables of the README say what the code says', async t => {
  matchesFile(t, readmeUrl, withTables(readme, readmeTables()), 'README.md')
})

t.test('every command line of the README can be read', async t => {
  const lines = readme.match(/^vboxmerge .*$/gm) ?? []
  t.ok(lines.length > 10)
  for (const line of lines) {
    const [, ...args] = (line.replace(/\s+#.*/, '').match(/"[^"]*"|\S+/g) ?? []).map(word =>
      word.replace(/^"(.*)"$/, '$1'),
    )
    const { status, stderr } = await runFake(args)
    t.equal(status, 0, `${line} ${stderr}`)
  }
})

for (const name of ['README.md', 'CONTRIBUTING.md', 'CHANGELOG.md']) {
  t.test(`what ${name} links to is there`, async t => {
    const text = readFileSync(new URL(name, root), 'utf8')
    const links = [...text.matchAll(/\]\(([^)]+)\)/g)].map(([, target = '']) => target)
    for (const link of links.filter(target => !target.startsWith('http'))) {
      const [path = '', anchor] = link.split('#')
      if (path !== '') t.ok(existsSync(new URL(path, root)), link)
      else t.ok(anchorsOf(text).includes(anchor ?? ''), link)
    }
  })
}

function anchorsOf(text: string): string[] {
  return [...text.matchAll(/^#+ (.*)$/gm)].map(([, title = '']) =>
    title
      .toLowerCase()
      .replace(/[^\w\- ]/g, '')
      .replaceAll(' ', '-'),
  )
}
