// `node scripts/spec-schema.mjs`: writes docs/network.schema.json, the JSON Schema of network specs, made of the schemas
// that read them; `npx biome check --write docs` formats it. Needs the compiled sources; a test sees that it is current.
import { writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { specSchema } from '../dist/lib/networks/parse.js'

const file = join(resolve(import.meta.dirname, '..'), 'docs/network.schema.json')
writeFileSync(file, `${JSON.stringify(specSchema(), null, 2)}\n`)
