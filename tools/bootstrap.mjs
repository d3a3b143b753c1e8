// The first thing `npm run dev` and `npm test` run, on whatever Node ≥ 20 the machine has: it installs what is
// missing (the project's own Node among it) and hands over. Plain JavaScript, because an old Node cannot run ours.
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, statSync, writeFileSync } from 'node:fs'
import { constants } from 'node:os'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const bin = join(root, 'node_modules', '.bin')
const stamp = join(root, 'node_modules', '.yourclaw-installed')
/** Installing also generates code, so it is repeated when any of these changed. */
const inputs = ['pnpm-lock.yaml', 'prisma/schema.prisma', 'proto/yourclaw/host/v1/host.proto']
const programs = {
  dev: [join(root, 'tools/dev/main.ts')],
  test: [join(root, 'node_modules/vitest/vitest.mjs'), 'run'],
}

const [program, ...args] = process.argv.slice(2)
const main = Object.hasOwn(programs, program ?? '') ? programs[program] : undefined
if (main === undefined) {
  console.error('usage: node tools/bootstrap.mjs dev|test [arguments]')
  process.exit(2)
}
installWhatIsMissing()
run(main.concat(args))

function installWhatIsMissing() {
  if (existsSync(stamp) && existsSync(join(bin, 'node'))) {
    const installedMs = statSync(stamp).mtimeMs
    if (inputs.every((file) => statSync(join(root, file)).mtimeMs <= installedMs)) return
  }
  console.log('installing dependencies …')
  const install = spawnSync('npx', ['-y', 'pnpm@12.21.0', 'install', '--frozen-lockfile'], {
    cwd: root,
    stdio: 'inherit',
  })
  if (install.status !== 0) {
    const why = install.error?.message ?? install.signal ?? `exit code ${install.status}`
    console.error(
      `\nDependencies could not be installed (${why}). The lines above say why; then run this again.`,
    )
    process.exit(1)
  }
  writeFileSync(stamp, '')
}

/** Becomes the program as far as the caller can tell: its output, signals and exit code pass through. */
function run(command) {
  const child = spawn(join(bin, 'node'), command, {
    cwd: root,
    stdio: 'inherit',
    env: { ...process.env, PATH: bin + delimiter + process.env.PATH },
  })
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal))
  // npm that is sent a signal alone may go without passing it on: without it, nobody is left to stop us.
  const parent = process.ppid
  setInterval(() => process.ppid !== parent && child.kill('SIGTERM'), 500).unref()
  child.on('error', (error) => {
    console.error(`Could not start ${command[0]}: ${error.message}`)
    process.exit(1)
  })
  child.on('exit', (code, signal) => process.exit(code ?? 128 + constants.signals[signal]))
}
