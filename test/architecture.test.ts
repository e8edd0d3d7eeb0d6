import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import t from 'tap'
import ts from 'typescript'

// The rules of docs/architecture.md, "Who may import whom", as imports tell them.

interface Import {
  readonly from: string
  /** A path from the root of the repository for a file of ours, else as written. */
  readonly to: string
  /** Whether nothing of it is left at run time. */
  readonly isType: boolean
}

const root = join(import.meta.dirname ?? dirname(new URL(import.meta.url).pathname), '..')
const files = ['mod.ts', ...sources('lib'), ...sources('modules')]
const imports = files.flatMap(importsOf)

/** Imports of the planners from lib/io that are no types, by way of which no I/O is done. */
const HARMLESS: readonly string[] = ['lib/machine/settled_state.ts > lib/io/files.ts']

t.test('all files are looked at', async t => {
  t.ok(files.length > 100, `${files.length} files`)
  t.ok(imports.length > files.length, `${imports.length} imports`)
  const dangling = imports.filter(({ to }) => to.startsWith('lib/') && !files.includes(to))
  t.same(dangling, [], 'every import leads to a file')
})

t.test('no file imports itself, not even by way of others', async t => {
  t.same(cyclesOf(imports.filter(({ isType }) => !isType)), [])
})

t.test('blocks and planners do no I/O, not even by way of others', async t => {
  const pure = files.filter(
    file => file.startsWith('lib/blocks/') || /^lib\/ensure\/(plan|state_model|figures|wanted)/.test(file),
  )
  t.ok(pure.includes('lib/blocks/plan_blocks.ts') && pure.includes('lib/ensure/plan_tree.ts'))
  const ways = pure.flatMap(wayToIo)
  t.same(
    ways.filter(way => !HARMLESS.some(known => way.endsWith(known))),
    [],
  )
  for (const known of HARMLESS)
    t.ok(
      ways.some(way => way.endsWith(known)),
      `${known} is still there`,
    )
  t.same(wayToIo('lib/io/files.ts'), [], 'the interface to files does no I/O itself')
})

t.test('each layer imports only what lies below it', async t => {
  const forbidden = imports.filter(one => !one.isType && isForbidden(one))
  t.same(
    forbidden.map(({ from, to }) => `${from} > ${to}`),
    [],
  )
})

t.test('only engine/choose.ts names the engines', async t => {
  for (const engine of ['direct/direct_engine.ts', 'virtualbox/virtualbox_engine.ts']) {
    const users = imports.filter(({ to, isType }) => to === `lib/engine/${engine}` && !isType)
    t.same(
      users.map(({ from }) => from),
      ['lib/engine/choose.ts'],
      engine,
    )
  }
})

t.test('programs and libraries are reached from one place each', async t => {
  const users = (name: string): string[] =>
    imports.filter(({ to, isType }) => to === name && !isType).map(({ from }) => from)
  for (const module of ['node:fs', 'node:fs/promises']) {
    const folders = users(module).map(file => dirname(file))
    const allowed = ['lib/io', 'lib/machine', 'lib/virtualbox', 'lib/face/cli', 'lib/face/module']
    t.same(
      folders.filter(folder => !allowed.includes(folder)),
      [],
      module,
    )
  }
  t.same(users('commander'), users('commander').filter(inFolder('lib/face/cli')))
  t.same(users('zx'), [], 'zx is loaded only when a call is made')
})

/** What pages take from the command line: how it words things. */
const WORDS_OF_PAGES: readonly string[] = ['lib/face/cli/describe_step.ts', 'lib/face/cli/text.ts']

/** Whether an import that is there at run time goes against the direction in which data flow. */
function isForbidden({ from, to }: Import): boolean {
  const isFrom = (folder: string): boolean => inFolder(folder)(from)
  const isTo = (folder: string): boolean => inFolder(folder)(to)
  if (!to.startsWith('lib/')) return false
  const isDoor = isFrom('lib/face') || isFrom('modules') || from === 'mod.ts'
  if (isTo('lib/face/module')) return !(isFrom('lib/face/module') || isFrom('modules'))
  if (to === 'lib/face/report/report_page.ts' && from.startsWith('lib/ensure/report_')) return false
  if (isFrom('lib/face/report') && isTo('lib/face/cli')) return !WORDS_OF_PAGES.includes(to)
  if (isTo('lib/face')) return !isDoor
  if (isTo('lib/ensure')) return !(isFrom('lib/ensure') || isDoor)
  if (isTo('lib/engine/direct')) return !(isFrom('lib/engine') && !isFrom('lib/engine/virtualbox'))
  if (isTo('lib/engine/virtualbox')) return !(isFrom('lib/engine') && !isFrom('lib/engine/direct'))
  if (isTo('lib/engine')) return !(isFrom('lib/engine') || isFrom('lib/ensure'))
  if (isTo('lib/virtualbox')) return !['lib/virtualbox', 'lib/engine', 'lib/ensure'].some(isFrom)
  if (isFrom('lib/virtualbox')) {
    return to !== 'lib/errors.ts' && !['lib/virtualbox', 'lib/machine', 'lib/io'].some(isTo)
  }
  if (isTo('lib/image')) return isFrom('lib/blocks') || isFrom('lib/io') || isFrom('lib/options')
  if (isTo('lib/machine')) return isFrom('lib/blocks') || isFrom('lib/io') || isFrom('lib/image')
  if (isTo('lib/blocks')) return isFrom('lib/io') || isFrom('lib/options')
  return false
}

function inFolder(folder: string): (file: string) => boolean {
  return file => file.startsWith(`${folder}/`)
}

/** The shortest way from a file to a module that reads or writes files or runs programs, as text. */
function wayToIo(start: string): string[] {
  const cameFrom = new Map<string, string | undefined>([[start, undefined]])
  for (const file of cameFrom.keys()) {
    for (const { to } of imports.filter(({ from, isType }) => from === file && !isType)) {
      if (cameFrom.has(to)) continue
      cameFrom.set(to, file)
      if (inFolder('lib/io')(to) || /^node:(fs|child_process|net|worker_threads)/.test(to)) {
        return [wayBack(cameFrom, to)]
      }
    }
  }
  return []
}

function wayBack(cameFrom: ReadonlyMap<string, string | undefined>, end: string): string {
  const way: string[] = []
  for (let at: string | undefined = end; at !== undefined; at = cameFrom.get(at)) way.unshift(at)
  return way.join(' > ')
}

/** Takes away, again and again, each file that imports none of the others; what is left is in a cycle. */
function cyclesOf(edges: readonly Import[]): string[] {
  let rest = edges.filter(({ to }) => files.includes(to))
  for (;;) {
    const importers = new Set(rest.map(({ from }) => from))
    const imported = new Set(rest.map(({ to }) => to))
    const next = rest.filter(({ from, to }) => importers.has(to) && imported.has(from))
    if (next.length === rest.length) return rest.map(({ from, to }) => `${from} > ${to}`)
    rest = next
  }
}

function sources(folder: string): string[] {
  const names = readdirSync(join(root, folder), { recursive: true }).map(String)
  return names.filter(name => name.endsWith('.ts')).map(name => join(folder, name).replaceAll('\\', '/'))
}

function importsOf(from: string): Import[] {
  const text = readFileSync(join(root, from), 'utf8')
  const source = ts.createSourceFile(from, text, ts.ScriptTarget.Latest)
  const found: Import[] = []
  const add = (specifier: ts.Expression | undefined, isType: boolean): void => {
    if (specifier === undefined || !ts.isStringLiteral(specifier)) return
    const isOurs = specifier.text.startsWith('.')
    const to = isOurs ? normalize(join(dirname(from), specifier.text)).replaceAll('\\', '/') : specifier.text
    found.push({ from, to, isType })
  }
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node)) add(node.moduleSpecifier, isTypeImport(node))
    else if (ts.isExportDeclaration(node)) add(node.moduleSpecifier, node.isTypeOnly)
    else if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword)
      add(node.arguments[0], false)
    ts.forEachChild(node, visit)
  }
  visit(source)
  return found
}

function isTypeImport({ importClause }: ts.ImportDeclaration): boolean {
  if (importClause === undefined) return false
  if (importClause.isTypeOnly) return true
  const { name, namedBindings } = importClause
  if (name !== undefined || namedBindings === undefined || !ts.isNamedImports(namedBindings)) return false
  return namedBindings.elements.every(element => element.isTypeOnly)
}
