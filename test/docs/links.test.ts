// What pages link to or name is there: files, and places in pages.
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import t from 'tap'
import { NOT_RUN } from './fixtures/not_run.ts'
import { documentedPages, root } from './fixtures/pages.ts'

const NAMED = /\b(?:lib|test|scripts|modules|playbooks|bench|roles|docs)\/[\w./-]*\w\/?/g

const pages = [...documentedPages().map(({ path }) => path), 'CHANGELOG.md']

for (const path of pages) {
  t.test(`what ${path} links to is there`, async t => {
    const links = linksOf(read(path))
    for (const link of links.filter(target => !/^https?:/.test(target))) {
      const [file = '', anchor] = link.split('#')
      const target = file === '' ? path : normalize(join(dirname(path), file))
      t.ok(existsSync(join(root, target)), link)
      if (anchor !== undefined) t.ok(anchorsOf(read(target)).includes(anchor), link)
    }
  })
}

t.test('every page of docs/ can be reached from its index, and the index from the README', async t => {
  const index = linksOf(read('docs/README.md')).map(link => normalize(join('docs', link.replace(/#.*/, ''))))
  for (const path of pages.filter(page => page.startsWith('docs/') && page !== 'docs/README.md')) {
    t.ok(index.includes(path), path)
  }
  t.ok(linksOf(read('README.md')).some(link => /^docs\/(README\.md)?$/.test(link)))
})

t.test('a link is found, and so is a heading', async t => {
  t.same(linksOf('a [b](c.md#d) ![e](f.svg) <img src="g.png"> `[x](y)`\n```sh\n[n](o)\n```\n'), [
    'c.md#d',
    'f.svg',
    'g.png',
  ])
  t.same(anchorsOf('# A `b`, c!\n## X\n## X\n```sh\n# no\n```\n'), ['a-b-c', 'x', 'x-1'])
})

for (const { path, text } of documentedPages()) {
  const prose = [...text.matchAll(/`([^`\n]+)`/g)].map(([, code = '']) => code).join('\n')
  const named = new Set(prose.match(NAMED) ?? [])
  if (named.size === 0) continue
  t.test(`files that ${path} names are there`, async t => {
    for (const file of named) t.ok(existsSync(join(root, file)), file)
  })
}

t.test('tests that stand in for commands are there', async t => {
  const named = NOT_RUN.flatMap(({ why }) => why.match(NAMED) ?? [])
  t.ok(named.length > 5)
  for (const file of named) t.ok(existsSync(join(root, file)), file)
})

function read(path: string): string {
  return readFileSync(join(root, path), 'utf8')
}

function linksOf(text: string): string[] {
  const prose = withoutCode(text).replace(/`[^`\n]*`/g, '')
  const found = prose.matchAll(/\]\(([^)\s]+)\)|(?:src|srcset|href)="([^"]+)"/g)
  return [...found].map(([, link, source]) => link ?? source ?? '')
}

/** The names by which GitHub reaches the headings of a page. */
function anchorsOf(text: string): string[] {
  const seen = new Map<string, number>()
  return [...withoutCode(text).matchAll(/^#+ (.*)$/gm)].map(([, title = '']) => {
    const name = title
      .toLowerCase()
      .replace(/[^\p{L}\p{N}_\- ]/gu, '')
      .replaceAll(' ', '-')
    const count = seen.get(name) ?? 0
    seen.set(name, count + 1)
    return count === 0 ? name : `${name}-${count}`
  })
}

function withoutCode(text: string): string {
  return text.replace(/^ *```[\s\S]*?^ *```$/gm, '')
}
