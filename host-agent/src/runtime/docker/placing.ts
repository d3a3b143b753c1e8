import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createReadStream } from 'node:fs'
import { dirname, extname } from 'node:path'
import type { Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { fileURLToPath } from 'node:url'
import { tenantUid } from './container.ts'
import { type Folders, isPassable } from './folders.ts'
import type { Rights } from './rights.ts'

export interface Placing {
  /** Without any, with the agent's own; then `owner` is given the file. */
  rights?: Rights
  owner?: { uid: number; gid: number }
  workspace: string
  path: string
}

/** Beside this file, in the sources and in a bundle of them. */
const script = fileURLToPath(new URL(`./write-file${extname(import.meta.url)}`, import.meta.url))
const deadlineMs = 60_000

/** Writes a copy of `sourceFile` into an assistant's workspace, as the assistant itself could have done. */
export async function placeAsTenant(
  { root, workspace, groupId }: Folders,
  path: string,
  sourceFile: string,
): Promise<void> {
  // Below a closed folder, as in a root's home, only the agent gets there.
  const dropsRights = await isPassable(dirname(root))
  const owner = { uid: tenantUid, gid: tenantUid }
  const who = dropsRights ? { rights: { ...owner, groups: [groupId] } } : { owner }
  const placing: Placing = { workspace, path, ...who }
  // Nothing of the agent's environment but what its Node may need to start.
  const { LD_LIBRARY_PATH } = process.env
  const child = spawn(process.execPath, [script], {
    env: { LD_LIBRARY_PATH },
    stdio: ['pipe', 'ignore', 'ignore', 'pipe'],
    timeout: deadlineMs,
    killSignal: 'SIGKILL',
  })
  const order = child.stdio[3] as Writable
  order.on('error', () => {})
  order.end(JSON.stringify(placing))
  const ended = once(child, 'exit')
  // A child that ends early closes its input; its status says more.
  if (child.stdin) await pipeline(createReadStream(sourceFile), child.stdin).catch(() => {})
  const [status] = await ended
  if (status !== 0) throw new Error(`the file was not written: ${status}`)
}
