import { stat } from 'node:fs/promises'
import { geteuid, setgid, setgroups, setuid } from 'node:process'

/** Root's commands write the agent's files as the agent, which has to read them. No-op for everybody else. */
export async function actAsOwner(folder: string): Promise<void> {
  if (geteuid?.() !== 0) return
  const owner = await stat(folder).catch(() => undefined)
  if (!owner || owner.uid === 0) return
  setgroups?.([])
  setgid?.(owner.gid)
  setuid?.(owner.uid)
}
