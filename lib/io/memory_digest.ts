import { createHash } from 'node:crypto'
import type { MemoryContent } from './memory_content.ts'
import { type MemoryTree, ROOT_INODE } from './memory_tree.ts'

/** Digests of pages that nobody writes to any more. */
const known = new WeakMap<Uint8Array, string>()

/**
 * Returns what is equal for two trees exactly when they have the same names, content, owners, modes and times, and the
 * same files have several names.
 *
 * @param tree One that nobody writes to any more.
 */
export function digestOfTree(tree: MemoryTree): string {
  const hash = createHash('sha256')
  const numbers = new Map<number, number>()
  const waiting: [path: string, inode: number][] = [['/', ROOT_INODE]]
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const [path, inode] = next
    const node = tree.get(inode)
    if (node === undefined) continue
    const number = numbers.get(inode) ?? numbers.size
    hash.update(
      JSON.stringify([path, number, node.kind, node.mode, node.owner, node.group, `${node.mtimeNs}`]),
    )
    if (node.kind === 'link') hash.update(JSON.stringify(node.target))
    if (node.kind === 'file' && !numbers.has(inode)) hash.update(JSON.stringify(digestsOf(node.content)))
    numbers.set(inode, number)
    if (node.kind !== 'folder') continue
    for (const [name, entry] of [...node.entries].sort(([a], [b]) => (a < b ? -1 : 1))) {
      waiting.push([`${path}${name}/`, entry])
    }
  }
  return hash.digest('hex')
}

function digestsOf(content: MemoryContent): unknown[] {
  const pages = [...content.pages()].sort(([a], [b]) => a - b)
  return [content.length, ...pages.map(([index, page]) => [index, digestOfPage(page)])]
}

function digestOfPage(page: Uint8Array): string {
  const digest = known.get(page) ?? createHash('sha256').update(page).digest('base64')
  known.set(page, digest)
  return digest
}
