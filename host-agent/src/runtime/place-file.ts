import { randomUUID } from 'node:crypto'
import { constants } from 'node:fs'
import { type FileHandle, lstat, mkdir, open, opendir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'

const { O_DIRECTORY, O_NOFOLLOW, O_RDONLY, O_WRONLY, O_CREAT, O_EXCL } = constants

/** What a file of a person's may be called in a workspace: nothing that leads anywhere else (S1). */
const plainPath = /^(inbox)\/([A-Za-z0-9][A-Za-z0-9._-]{0,159})$/

/**
 * Writes a file into a workspace, whole or not at all, in the place of one of that name. The workspace is its tenant's,
 * who may have put a link anywhere: each folder is opened by the one above it, and no link is followed. `owner` = whose it
 * becomes, where that is not who writes.
 */
export async function placeFile(
  workspace: string,
  path: string,
  source: Readable,
  owner?: { uid: number; gid: number },
): Promise<void> {
  const [, folder, name] = plainPath.exec(path) ?? []
  if (folder === undefined || name === undefined) throw new Error('not a path of ours')
  await using above = await openFolder(workspace)
  await mkdir(within(above, workspace, folder), { mode: 0o755 }).catch(unlessThere)
  await using inside = await openFolder(within(above, workspace, folder))
  if (owner) await inside.chown(owner.uid, owner.gid)
  const at = (entry: string) => within(inside, join(workspace, folder), entry)
  await removeUnfinished(at)
  const unfinished = at(`.${randomUUID()}${unfinishedSuffix}`)
  try {
    const file = await open(unfinished, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o644)
    if (owner) await file.chown(owner.uid, owner.gid)
    await pipeline(source, file.createWriteStream())
    await rename(unfinished, at(name))
  } finally {
    await rm(unfinished, { force: true })
  }
}

const unfinishedSuffix = '.part'
const unfinishedName = /^\.[0-9a-f-]{36}\.part$/
/** Nobody writes a file for so long. */
const abandonedMs = 3_600_000
/** A tenant's folder may be endless. */
const maxEntries = 10_000

/** What somebody left behind who was killed while they wrote. */
async function removeUnfinished(at: (entry: string) => string): Promise<void> {
  let entries = 0
  for await (const { name } of await opendir(at('.'))) {
    if (++entries > maxEntries) return
    if (!unfinishedName.test(name)) continue
    // Whatever it is instead, or is gone by now, is in nobody's way.
    const { mtimeMs } = await lstat(at(name)).catch(() => ({ mtimeMs: Date.now() }))
    if (Date.now() - mtimeMs > abandonedMs) await rm(at(name), { force: true }).catch(() => {})
  }
}

const openFolder = (path: string) => open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)

/** By the open folder itself, wherever its name leads by now; only Linux can say so, and only there tenants are strangers. */
function within({ fd }: FileHandle, path: string, entry: string): string {
  return process.platform === 'linux' ? `/proc/self/fd/${fd}/${entry}` : join(path, entry)
}

function unlessThere(error: unknown): void {
  if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
}
