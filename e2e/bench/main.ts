/** `pnpm bench turn`: measures, prints, and writes the figures into docs/benchmarks.md. */
import { parseArgs } from 'node:util'
import { rowsTable } from './figures.ts'
import { benchInstant } from './turn/instant.ts'
import { benchOpenclaw } from './turn/openclaw.ts'

const { values } = parseArgs({
  allowPositionals: true,
  options: { profile: { type: 'string' }, only: { type: 'string' } },
})
if (values.only !== 'openclaw') console.log(rowsTable(await benchInstant({ profileDir: values.profile })))
if (values.only !== 'instant') console.log(rowsTable(await benchOpenclaw()))
