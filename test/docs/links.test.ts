// What pages link to is there: files, and places in pages.
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import t from 'tap'
import { documentedPages, root } from './fixtures/pages.ts'

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
