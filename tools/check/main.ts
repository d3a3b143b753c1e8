/** `pnpm check`: everything that can be said about the code without running it, all at once. */
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { guaranteeProblems } from './guarantees.ts'
import { unusedPackages } from './packages.ts'

interface Outcome {
  ok: boolean
  output: string
}

interface Check {
  name: string
  run: () => Promise<Outcome>
}

const root = fileURLToPath(new URL('../..', import.meta.url))
const bin = join(root, 'node_modules', '.bin')
const typedPackages = [
  'proto',
  'prisma',
  'control-plane',
  'host-agent',
  'sandbox',
  'telemetry',
  'e2e',
  'tools',
]
const layered = ['proto', 'prisma', 'control-plane', 'host-agent', 'sandbox', 'telemetry', 'e2e', 'tools']

const web = join(root, 'web')
let syncing: Promise<Outcome> | undefined

function command(name: string, program: string, args: string[], cwd = root): Check {
  return { name, run: () => execute(program, args, cwd) }
}

function execute(program: string, args: string[], cwd: string): Promise<Outcome> {
  const path = [join(cwd, 'node_modules', '.bin'), bin, process.env.PATH].join(delimiter)
  const options = { cwd, maxBuffer: 64 * 1024 * 1024, env: { ...process.env, PATH: path } }
  return new Promise((resolve) => {
    execFile(program, args, options, (error, stdout, stderr) => {
      const why = error !== null && stdout + stderr === '' ? error.message : ''
      resolve({ ok: error === null, output: stdout + stderr + why })
    })
  })
}

const checks: Check[] = [
  ...typedPackages.map((name) => command(`types ${name}`, 'tsc', ['-p', name])),
  { name: 'types web', run: () => afterSync('svelte-check', ['--tsconfig', './tsconfig.json'], web) },
  command('biome', 'biome', ['check', '--error-on-warnings', '.']),
  command('import direction', 'depcruise', ['--config', '.dependency-cruiser.cjs', ...layered]),
  { name: 'dead code', run: () => afterSync('knip', ['--no-progress'], root) },
  command('proto', 'buf', ['lint'], join(root, 'proto')),
  // Against the first protocol that was ever spoken: an agent of that release still understands us (F11).
  command('proto breaking', 'buf', ['breaking', '--against', 'first/host-v1.binpb'], join(root, 'proto')),
  { name: 'packages in use', run: checkPackages },
  { name: 'guarantees page', run: checkGuarantees },
]

/** For what reads the generated types of the web's routes, which a fresh clone has not. */
async function afterSync(program: string, args: string[], cwd: string): Promise<Outcome> {
  syncing ??= execute('svelte-kit', ['sync'], web)
  const synced = await syncing
  return synced.ok ? execute(program, args, cwd) : synced
}

async function checkPackages(): Promise<Outcome> {
  // The checker's own files name every package.
  const sources = await readSources(
    (file) => /\.(ts|svelte|css|ya?ml)$/.test(file) && !file.startsWith('tools/check/'),
  )
  const unused = unusedPackages([...sources.values()])
  return { ok: unused.length === 0, output: unused.map((name) => `${name}: nothing uses it`).join('\n') }
}

async function checkGuarantees(): Promise<Outcome> {
  const page = await readFile(join(root, 'docs/guarantees.md'), 'utf8')
  const problems = guaranteeProblems(page, await readSources((file) => file.endsWith('.test.ts')))
  return { ok: problems.length === 0, output: problems.join('\n') }
}

/** Path and text of every file of the project, committed or not, that `wanted` accepts. */
async function readSources(wanted: (file: string) => boolean): Promise<Map<string, string>> {
  const listed = await execute('git', ['ls-files', '--cached', '--others', '--exclude-standard'], root)
  if (!listed.ok) throw new Error(`git cannot list the files: ${listed.output}`)
  const files = listed.output.split('\n').filter((file) => wanted(file) && existsSync(join(root, file)))
  const texts = await Promise.all(files.map((file) => readFile(join(root, file), 'utf8')))
  return new Map(files.map((file, index) => [file, texts[index] ?? '']))
}

async function runAndReport(check: Check): Promise<boolean> {
  const startedAt = performance.now()
  const { ok, output } = await check.run()
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1)
  console.log(`${ok ? 'ok  ' : 'FAIL'}  ${check.name}  ${seconds} s`)
  if (!ok || check.run === checkPackages) {
    if (output !== '') console.log(output.trimEnd().replaceAll(/^/gm, '        '))
  }
  return ok
}

const results = await Promise.all(checks.map(runAndReport))
const failures = results.filter((ok) => !ok).length
console.log(`${results.length - failures} ok, ${failures} failed`)
process.exitCode = failures === 0 ? 0 : 1
