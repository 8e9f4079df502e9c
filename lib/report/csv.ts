/** CSV (RFC 4180) as spreadsheets and other tools read it. */
import { canonicalJson } from '../base/json.js'

/** Records as lines, under the names of all their fields; objects and lists are JSON, what is not there is empty. */
export const csv = (records: readonly Readonly<Record<string, unknown>>[]): string => {
  const heads = [...new Set(records.flatMap((record) => Object.keys(record)))]
  const lines = [heads, ...records.map((record) => heads.map((head) => record[head]))]
  return lines.map((values) => `${values.map(cell).join(',')}\r\n`).join('')
}

const cell = (value: unknown): string => {
  const text = typeof value === 'object' && value !== null ? canonicalJson(value) : String(value ?? '')
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}
