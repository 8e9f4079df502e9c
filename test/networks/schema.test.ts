import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { operations } from '../../lib/networks/operations.js'
import { specSchema } from '../../lib/networks/parse.js'
import { readSpec } from '../../lib/networks/specFile.js'
import { temporaryFolder, tinySpec } from '../helpers.js'

const docs = join(__dirname, '../../docs')

describe('the JSON Schema of network specs', () => {
  it('is committed as the schemas make it (node scripts/spec-schema.mjs writes it)', () => {
    const file = JSON.parse(readFileSync(join(docs, 'network.schema.json'), 'utf8')) as unknown
    expect(file).toEqual(JSON.parse(JSON.stringify(specSchema())))
  })

  it('has every operation, and so has the page about specs', () => {
    const text = JSON.stringify(specSchema())
    const page = readFileSync(join(docs, 'specs.md'), 'utf8')
    for (const name of Object.keys(operations)) {
      expect(text).toContain(`"const":"${name}"`)
      expect(page).toContain(`\`${name}\``)
    }
  })

  it('may be named in a spec file', async () => {
    const path = join(temporaryFolder(), 'spec.json')
    writeFileSync(path, JSON.stringify({ $schema: 'network.schema.json', ...tinySpec() }))
    expect(await readSpec(path)).toEqual(tinySpec())
  })
})
