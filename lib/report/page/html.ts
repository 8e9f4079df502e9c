/** HTML that cannot be broken out of: whatever is put into a template is text, unless it is HTML itself. */

/** HTML that a template made. */
export class Html {
  constructor(readonly text: string) {}
}

type Part = Html | string | number | undefined | readonly Part[]

/** Makes HTML; interpolated texts are escaped, lists joined, and undefined is nothing. */
export const html = (strings: TemplateStringsArray, ...parts: readonly Part[]): Html =>
  new Html(strings.reduce((text, string, index) => text + render(parts[index - 1]) + string))

/** HTML that comes from a trusted maker, such as the text of a chart. */
export const trusted = (text: string): Html => new Html(plain(text))

export const NOTHING = new Html('')

/** Control characters have no place in HTML, and neither have marks that turn the direction of the text around them. */
const ODD = /[\p{Cc}\u202a-\u202e\u2066-\u2069]/gu

const plain = (text: string): string =>
  text.replace(ODD, (character) => (character === '\n' || character === '\t' ? character : '\ufffd'))

export const escaped = (text: string): string =>
  plain(text).replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`)

/** Data within a page: JSON that does not end its element. */
export const embeddedJson = (value: unknown): Html =>
  new Html(
    JSON.stringify(value).replace(
      /[<>&\u2028-\u202e\u2066-\u2069]/g,
      (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
    ),
  )

const render = (part: Part): string => {
  if (part === undefined) return ''
  if (part instanceof Html) return part.text
  return typeof part === 'object' ? part.map(render).join('') : escaped(String(part))
}
