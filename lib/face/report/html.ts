import { escapeName } from '../cli/text.ts'

/** A piece of HTML that can be put into a page as it is. */
export interface Html {
  readonly markup: string
}

/** What can stand in a template: texts are escaped, undefined is nothing. */
export type HtmlValue = Html | readonly HtmlValue[] | string | number | undefined

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}

/** Makes HTML of a template. Whatever is put into it that is no HTML is escaped, wherever it stands. */
export function html(parts: TemplateStringsArray, ...values: readonly HtmlValue[]): Html {
  const texts = values.map(toMarkup)
  return { markup: parts.map((part, at) => part + (texts[at] ?? '')).join('') }
}

/** Takes a text of this program, never of a machine, as HTML. */
export function trusted(markup: string): Html {
  return { markup }
}

/**
 * Returns a text as HTML shows it. Characters that turn the direction of text, and those that cannot be seen, are
 * written out, so that a name cannot look like another one.
 */
export function escapeHtml(text: string): string {
  return escapeName(text).replace(/[&<>"']/g, character => ENTITIES[character] ?? '')
}

/** A name that a user or a guest gave: kept apart from the direction of the text around it. */
export function named(text: string): Html {
  return html`<bdi>${text}</bdi>`
}

/** A path, which may be broken anywhere. */
export function pathOf(text: string): Html {
  return html`<bdi class="path">${text}</bdi>`
}

function toMarkup(value: HtmlValue): string {
  if (value === undefined) return ''
  if (typeof value === 'string') return escapeHtml(value)
  if (typeof value === 'number') return String(value)
  return 'markup' in value ? value.markup : value.map(toMarkup).join('')
}
