import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import ts from 'typescript'

/**
 * Copies `mod.d.ts` and the declarations that it leads to from one folder to another; all others are of no use to
 * whoever imports the package. tsc leaves `.ts` in the specifiers of declarations, which is made `.js` as everywhere.
 */
export function copyDeclarations(from, to) {
  const reached = new Set(['mod.d.ts'])
  for (const file of reached) {
    let text = readFileSync(join(from, file), 'utf8')
    const imports = ts.preProcessFile(text).importedFiles.filter(({ fileName }) => fileName.startsWith('.'))
    for (const { fileName } of imports) {
      reached.add(join(dirname(file), fileName.replace(/\.ts$/, '.d.ts')))
      text = text.replaceAll(`'${fileName}'`, `'${fileName.replace(/\.ts$/, '.js')}'`)
    }
    mkdirSync(dirname(join(to, file)), { recursive: true })
    writeFileSync(join(to, file), text)
  }
}
