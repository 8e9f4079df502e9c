/** Names of tasks: what tells a task from others, in words that make a folder's name. */

/** `sparsity=0.9` for each path of a point: its last key, or as many as tell it from the others, and the value. */
export const labelsOf = (point: Readonly<Record<string, unknown>>): string[] => {
  const paths = Object.keys(point)
  return paths.map((path) => `${columnOf(path, paths)}=${wordOf(point[path])}`)
}

/** The shortest end of a path that no other of the paths has. */
export const columnOf = (path: string, paths: readonly string[]): string => {
  const keys = path.split('.')
  for (let count = 1; count < keys.length; count++) {
    const end = keys.slice(-count).join('.')
    if (!paths.some((other) => other !== path && (other === end || other.endsWith(`.${end}`)))) return end
  }
  return path
}

/** A value as a word: of an object its kind or name, and what else it says. */
export const wordOf = (value: unknown): string => {
  if (Array.isArray(value)) return value.map(wordOf).join('+') || 'none'
  if (typeof value !== 'object' || value === null) return safe(String(value))
  const { kind, name, set, ...others } = value as Record<string, unknown>
  const first = [kind, name, set].filter((word) => word !== undefined).map(wordOf)
  return [...first, ...Object.entries(others).map(([key, inner]) => safe(key) + wordOf(inner))].join(':')
}

/** `8/255` is `8_255`, and what no name of a file should have is a line. */
const safe = (text: string): string => text.replace(/[^A-Za-z0-9.+-]/g, '_')
