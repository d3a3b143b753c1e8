/** `pnpm bench SUBJECT`: measures, prints, and writes the figures into docs/benchmarks.md. */
import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { openclawVersion } from '../../host-agent/openclaw/install.ts'
import { load, machine, type Row, rowsTable } from './figures.ts'
import { benchGateway } from './gateway.ts'
import { benchCreate, benchCrowd } from './hosts/hosts.ts'
import { benchUse } from './hosts/use.ts'
import { benchStream } from './stream.ts'
import { root } from './system.ts'
import { benchInstant } from './turn/instant.ts'
import { benchOpenclaw } from './turn/openclaw.ts'
import { benchWeb } from './web/pages.ts'

const page = path.join(root, 'docs/benchmarks.md')
const subjects = {
  turn: ['instant', 'openclaw'],
  stream: ['stream'],
  web: ['web'],
  gateway: ['gateway'],
  hosts: ['create', 'crowd', 'use'],
} as const
type Part = (typeof subjects)[keyof typeof subjects][number]
const isSubject = (name: string): name is keyof typeof subjects => name in subjects
const usage = `pnpm bench turn [--only ${subjects.turn.join('|')}] [--profile FOLDER]
  --only     one half of it; the figures of the other stay on the page
  --profile  leaves CPU profiles and the statements of PostgreSQL there, and the page as it is
pnpm bench stream
pnpm bench web
pnpm bench gateway
pnpm bench hosts [--only ${subjects.hosts.join('|')}]   needs root and what tools/ci/docker.sh prepares`

interface Settings {
  profile?: string | undefined
}
const run: Record<Part, (settings: Settings) => Promise<Row[]>> = {
  instant: ({ profile }) => benchInstant({ profileDir: profile }),
  openclaw: () => benchOpenclaw(),
  stream: () => benchStream(),
  web: () => benchWeb(),
  gateway: () => benchGateway(),
  create: () => benchCreate(),
  crowd: () => benchCrowd(),
  use: () => benchUse(),
}

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: { only: { type: 'string' }, profile: { type: 'string' } },
})
const [subject = ''] = positionals
const parts: readonly Part[] = isSubject(subject) ? subjects[subject] : []
const chosen = parts.filter((part) => values.only === undefined || values.only === part)
if (positionals.length !== 1 || chosen.length === 0) {
  console.error(usage)
  process.exit(2)
}
for (const part of chosen) {
  const loadBefore = load()
  const rows = await run[part](values)
  const day = new Date().toISOString().slice(0, 10)
  const versions = `${machine()}, PostgreSQL 18.4, OpenClaw ${openclawVersion}`
  const text = `${day}; ${versions}; load average ${loadBefore} before, ${load()} after.\n\n${rowsTable(rows)}`
  console.log(text)
  if (values.profile === undefined) writePart(part, text)
}

/** Replaces what stands between the part's two comments. */
function writePart(part: string, text: string): void {
  const [begin, end] = [`<!-- ${part}: written by pnpm bench -->`, `<!-- ${part}: end -->`]
  const before = readFileSync(page, 'utf8')
  const [head, rest = ''] = before.split(begin)
  const [, tail] = rest.split(end)
  if (tail === undefined) throw new Error(`${page} has no place for ${part}`)
  writeFileSync(page, `${head}${begin}\n${text}\n${end}${tail}`)
}
