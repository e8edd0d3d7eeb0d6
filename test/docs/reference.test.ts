// docs/troubleshooting.md has every code that a user can meet, and docs/formats.md every field and every file.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import ts from 'typescript'
import { EXIT_STATUS } from '../../lib/errors.ts'
import { AT } from '../../lib/image/vdi/layout.ts'
import { readPage, root } from './fixtures/pages.ts'

const [, errors = '', warnings = ''] =
  readPage('docs/troubleshooting.md').text.split(/^## (?:Errors|Warnings)$/m)

const formats = readPage('docs/formats.md').text

t.test('every error code is there, in the order of the README, with its exit status', async t => {
  const sections = sectionsOf(errors)
  t.same(
    sections.map(({ code }) => code),
    Object.keys(EXIT_STATUS),
  )
  const statusOf: Readonly<Record<string, number>> = EXIT_STATUS
  for (const { code, text } of sections) t.match(text, `Exit status ${statusOf[code]}.`, code)
})

t.test('every warning that the sources can give is there, and no other', async t => {
  const found = new Set(sourcesOf('lib').flatMap(warningCodes))
  t.ok(found.size > 5, [...found].join(', '))
  t.same(
    sectionsOf(warnings)
      .map(({ code }) => code)
      .sort(),
    [...found].sort(),
  )
})

t.test('warnings are found where they are made', async t => {
  const codes = (text: string): string[] =>
    codesIn(ts.createSourceFile('x.ts', text, ts.ScriptTarget.ES2022, true))
  t.same(codes("warnings.push({ code: 'a', message })"), ['a'])
  t.same(codes("function f(): Warning { return { code: 'b', message } }"), ['b'])
  t.same(codes("const warnings = paths.map(path => ({ code: 'c', message: path }))"), ['c'])
  t.same(codes("throw new Refusal({ code: 'd', message })"), [])
})

t.test('the table of a VDI is that of the code', async t => {
  const rows = [...formats.matchAll(/^\| 0x([0-9a-f]{3}) \| `(\w+)` \|/gm)]
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
  for (const name of names) t.match(formats, name, name)
})

function sectionsOf(text: string): { readonly code: string; readonly text: string }[] {
  return text
    .split(/^### /m)
    .slice(1)
    .map(section => ({ code: /^`(\w+)`/.exec(section)?.[1] ?? section, text: section }))
}

function sourcesOf(folder: string): string[] {
  const names = readdirSync(join(root, folder), { recursive: true }).map(name =>
    join(root, folder, String(name)),
  )
  return names.filter(name => name.endsWith('.ts'))
}

function warningCodes(path: string): string[] {
  const text = readFileSync(path, 'utf8')
  if (!/warning/i.test(text)) return []
  return codesIn(ts.createSourceFile(path, text, ts.ScriptTarget.ES2022, true))
}

function codesIn(file: ts.SourceFile): string[] {
  const codes: string[] = []
  const visit = (node: ts.Node): void => {
    if (ts.isObjectLiteralExpression(node) && isWarning(node)) {
      for (const property of node.properties) {
        const isCode = ts.isPropertyAssignment(property) && property.name.getText() === 'code'
        if (isCode && ts.isStringLiteral(property.initializer)) codes.push(property.initializer.text)
      }
    }
    ts.forEachChild(node, visit)
  }
  visit(file)
  return codes
}

/** Tells whether an object goes into a list of warnings, or out of a function that returns one. */
function isWarning(object: ts.Node): boolean {
  for (let at = object.parent; at !== undefined; at = at.parent) {
    if (ts.isCallExpression(at) && /warnings\.push$/.test(at.expression.getText())) return true
    if ((ts.isVariableDeclaration(at) || ts.isPropertyAssignment(at)) && at.name.getText() === 'warnings')
      return true
    if (ts.isFunctionLike(at) && at.type !== undefined) return /\bWarning\b/.test(at.type.getText())
  }
  return false
}
