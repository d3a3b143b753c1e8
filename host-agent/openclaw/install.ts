import { execFile } from 'node:child_process'
import { access, copyFile, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

/** The pin: package.json, package-lock.json and the config template change together with it. */
export const openclawVersion = '2026.9.3'

const pinDir = dirname(fileURLToPath(import.meta.url))
const defaultDir = join(pinDir, '..', '..', '.cache', 'openclaw', openclawVersion)

/**
 * Makes sure the pinned OpenClaw is on this machine and returns the path of its entry script. It has hundreds of
 * dependencies that nothing else here needs, so it lives apart from the workspace, installed once from its lockfile.
 */
export async function ensureOpenclaw(
  options: { dir?: string; progress?: (line: string) => void } = {},
): Promise<string> {
  const dir = options.dir ?? defaultDir
  const entry = join(dir, 'node_modules', 'openclaw', 'openclaw.mjs')
  const marker = join(dir, '.complete')
  const lock = join(dir, '.installing')
  const pin = await readFile(join(pinDir, 'package-lock.json'), 'utf8')
  const complete = async () => (await readFile(marker, 'utf8').catch(() => '')) === pin
  if (await complete()) return entry
  await mkdir(dir, { recursive: true })
  await takeLock(lock)
  try {
    if (await complete()) return entry
    options.progress?.(`Installing OpenClaw ${openclawVersion} once; this takes about a minute`)
    for (const name of ['package.json', 'package-lock.json']) {
      await copyFile(join(pinDir, name), join(dir, name))
    }
    await promisify(execFile)('npm', ['ci', '--omit=dev', '--no-audit', '--no-fund'], {
      cwd: dir,
      env: npmEnvironment(),
    })
    await access(entry)
    await writeFile(marker, pin)
    return entry
  } finally {
    await rm(lock, { force: true })
  }
}

/** What npm needs to reach its registry, and none of the agent's own settings. */
function npmEnvironment(): Record<string, string | undefined> {
  const needed = /^(HOME|NODE_EXTRA_CA_CERTS|npm_config_.*|https?_proxy|no_proxy)$/i
  return {
    ...Object.fromEntries(Object.entries(process.env).filter(([name]) => needed.test(name))),
    // npm itself runs on the Node that runs the agent, too.
    PATH: `${dirname(process.execPath)}:${process.env.PATH ?? ''}`,
  }
}

/** One installer at a time; the lock of one that died is taken over. */
async function takeLock(lock: string): Promise<void> {
  for (;;) {
    try {
      return await writeFile(lock, String(process.pid), { flag: 'wx' })
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error
    }
    const holder = Number(await readFile(lock, 'utf8').catch(() => ''))
    if (holder > 0 && !isAlive(holder)) await rm(lock, { force: true })
    await pause(500)
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}
