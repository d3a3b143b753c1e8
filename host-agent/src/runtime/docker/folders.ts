import { createHash } from 'node:crypto'
import { chmod, chown, mkdir, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { getuid } from 'node:process'
import { tenantUid } from './container.ts'

/** One assistant's folders on the host. */
export interface Folders {
  /** Closed to everybody but the agent and `groupId`: a login of the host may have the tenant's uid. */
  root: string
  /** A group of this assistant alone, with no member: who reads its files with its rights gets in by it. */
  groupId: number
  /** The container's HOME: memory, sessions, logs. Written by the tenant, so nothing in it is to be trusted. */
  home: string
  /** Where its tools work. Written by the tenant. */
  workspace: string
  /** The gateway's config. Written by the agent, and seen read-only in the container. */
  config: string
}

export function foldersOf(dataDir: string, userId: string): Folders {
  const root = join(dataDir, userId)
  return {
    root,
    // Far from the groups that people and packages have.
    groupId: 2 ** 30 + (createHash('sha256').update(userId).digest().readUInt32BE() % 2 ** 30),
    home: join(root, 'config'),
    workspace: join(root, 'workspace'),
    config: join(root, 'gateway'),
  }
}

/**
 * Makes them, and gives each to whom it belongs. Only these four, never what is in them: that is the tenant's, who may
 * have put a link there.
 */
export async function makeFolders({ root, groupId, home, workspace, config }: Folders): Promise<void> {
  await mkdir(root, { recursive: true, mode: 0o700 })
  await chown(root, getuid?.() ?? 0, groupId)
  await chmod(root, 0o710)
  for (const folder of [home, workspace]) {
    await mkdir(folder, { recursive: true })
    await chown(folder, tenantUid, tenantUid)
    await chmod(folder, 0o700)
  }
  await mkdir(config, { recursive: true })
  // Whatever umask the agent has, the tenant reads its config.
  await chmod(config, 0o755)
}

/** Whether everybody may pass through a folder and all above it, as a process with the tenant's rights must. */
export async function isPassable(folder: string): Promise<boolean> {
  const { mode } = await stat(folder)
  if ((mode & 0o001) === 0) return false
  const above = dirname(folder)
  return above === folder || isPassable(above)
}

export const eraseFolders = ({ root }: Folders) => rm(root, { recursive: true, force: true })
