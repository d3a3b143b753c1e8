/** `pnpm bench turn`: measures, prints, and writes the figures into docs/benchmarks.md. */
import { parseArgs } from 'node:util'
import { rowsTable } from './figures.ts'
import { benchInstant } from './turn/instant.ts'

const { values } = parseArgs({ allowPositionals: true, options: { profile: { type: 'string' } } })
console.log(rowsTable(await benchInstant({ profileDir: values.profile })))
