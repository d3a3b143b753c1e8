import { lstat, mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

const prefix = 'yourclaw-work-'
/** Nobody works on a file for so long. */
const abandonedMs = 86_400_000

/** Gives `work` a folder of its own, on this machine, which is gone afterwards. */
export async function inWorkingFolder<T>(work: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(path.join(tmpdir(), prefix))
  try {
    return await work(folder)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** Removes what replicas on this machine left behind that were killed. */
export async function removeAbandonedFolders(nowMs: number, inside = tmpdir()): Promise<void> {
  const names = (await readdir(inside)).filter((name) => name.startsWith(prefix))
  for (const name of names) {
    const folder = path.join(inside, name)
    // One that is gone by now, or somebody else's, is none of ours.
    const { mtimeMs } = await lstat(folder).catch(() => ({ mtimeMs: nowMs }))
    if (nowMs - mtimeMs > abandonedMs) await rm(folder, { recursive: true, force: true }).catch(() => {})
  }
}
