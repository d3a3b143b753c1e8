import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createReadStream, createWriteStream } from 'node:fs'
import { access, chown, mkdir, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGunzip, createGzip } from 'node:zlib'
import { AgentError } from '../errors.ts'

/** A gzipped tar of one assistant's `config` and `workspace`; `sha256` (hex) is of the file as it lies there. */
export interface Archive {
  bytes: number
  sha256: string
}

const parts = ['config', 'workspace']

/** Not of the person: what the agent renders anew (tokens are in it), and what fills itself again. */
const leftOut = ['config/.openclaw/openclaw.json*', 'config/.openclaw/cache', 'config/.openclaw/logs']

/** A tenant's folder is bounded; what takes longer than this hangs. */
const deadlineMs = 15 * 60_000

/**
 * Archives the folders below `root`, which nobody may write to meanwhile: then SQLite's files are as after a kill, which
 * it recovers from. Links are kept as links and holes as holes. The file is whole or not there. Throws no_state.
 */
export async function archiveFolders(root: string, destinationFile: string): Promise<Archive> {
  for (const part of parts) {
    await access(join(root, part)).catch((error: unknown) => {
      throw new AgentError('no_state', 'The assistant has no state on this host.', { cause: error })
    })
  }
  await mkdir(dirname(destinationFile), { recursive: true, mode: 0o700 })
  const unfinished = `${destinationFile}.part`
  try {
    const excludes = leftOut.map((pattern) => `--exclude=${pattern}`)
    const tar = startTar(['--create', '--sparse', '--numeric-owner', '--anchored', ...excludes, ...parts], {
      cwd: root,
    })
    tar.stdin.end()
    const digest = createDigest()
    const file = createWriteStream(unfinished, { mode: 0o600 })
    await Promise.all([pipeline(tar.stdout, createGzip({ level: 4 }), digest.through, file), tar.succeeded])
    await rename(unfinished, destinationFile)
    return digest.archive()
  } finally {
    await rm(unfinished, { force: true })
  }
}

/**
 * Puts an archive's folders in the place of those below `root`. It is unpacked beside them first, with `rights` where
 * they are given, so that what an archive says of owners and devices comes to nothing. Throws archive_damaged when it is
 * not the one of that sum.
 */
export async function restoreFolders(
  root: string,
  sourceFile: string,
  sha256: string,
  rights?: { uid: number; gid: number },
): Promise<void> {
  const digest = createDigest()
  await pipeline(createReadStream(sourceFile), digest.through, async (source) => {
    for await (const _ of source);
  })
  if (digest.archive().sha256 !== sha256) {
    throw new AgentError('archive_damaged', 'The archive is not the one that was made.')
  }
  const staged = `${root}.restoring`
  await rm(staged, { recursive: true, force: true })
  await mkdir(staged, { recursive: true, mode: 0o700 })
  if (rights) await chown(staged, rights.uid, rights.gid)
  try {
    const tar = startTar(['--extract', '--preserve-permissions'], { cwd: staged, ...rights })
    tar.stdout.resume()
    // tar is the judge: it ends at the archive's end, before all of the padding behind that is written to it.
    const fed = pipeline(createReadStream(sourceFile), createGunzip(), tar.stdin).catch(() => {})
    await Promise.all([fed, tar.succeeded])
    await mkdir(root, { recursive: true, mode: 0o700 })
    for (const part of parts) {
      await rm(join(root, part), { recursive: true, force: true })
      await rename(join(staged, part), join(root, part))
    }
  } finally {
    await rm(staged, { recursive: true, force: true })
  }
}

function startTar(args: string[], options: { cwd: string; uid?: number; gid?: number }) {
  const child = spawn('tar', args, { ...options, stdio: 'pipe', timeout: deadlineMs, killSignal: 'SIGKILL' })
  let said = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said = (said + text).slice(-500)
  })
  const succeeded = once(child, 'close').then(([status]) => {
    // 1 says that a file changed while it was read.
    if (status !== 0 && status !== 1) throw new Error(`tar ended with ${status}: ${said}`)
  })
  return { stdin: child.stdin, stdout: child.stdout, succeeded }
}

/** Counts and sums what passes. */
function createDigest() {
  const hash = createHash('sha256')
  let bytes = 0
  const through = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      hash.update(chunk)
      bytes += chunk.length
      done(null, chunk)
    },
  })
  return { through, archive: (): Archive => ({ bytes, sha256: hash.digest('hex') }) }
}
