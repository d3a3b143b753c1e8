import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { z } from 'zod'
import { endGroup } from './gateway.ts'

const schema = z.object({ pid: z.number().int().positive(), home: z.string().min(1) })

/** Notes which process is whose, for the agent that comes after one that died. */
export async function notePid(runDir: string, assistantId: string, pid: number, home: string): Promise<void> {
  await mkdir(runDir, { recursive: true, mode: 0o700 })
  await writeFile(join(runDir, assistantId), JSON.stringify({ pid, home }), { mode: 0o600 })
}

export async function forgetPid(runDir: string, assistantId: string): Promise<void> {
  await rm(join(runDir, assistantId), { force: true })
}

/** Ends what a dead agent left running: its gateways call a model gateway that is gone, and hold the state's lock. */
export async function endOrphans(runDir: string, deadlineMs: number): Promise<void> {
  const names = await readdir(runDir).catch(() => [])
  await Promise.all(names.map((name) => endOrphan(join(runDir, name), deadlineMs)))
}

async function endOrphan(path: string, deadlineMs: number): Promise<void> {
  const { pid, home } = parse(await readFile(path, 'utf8')) ?? {}
  if (pid !== undefined && home !== undefined && (await isGateway(pid, home))) {
    await endGroup(pid, deadlineMs, gone(pid, home))
  }
  await rm(path, { force: true })
}

function parse(text: string): z.infer<typeof schema> | undefined {
  try {
    return schema.safeParse(JSON.parse(text)).data
  } catch {
    return undefined
  }
}

async function gone(pid: number, home: string): Promise<void> {
  while (await isGateway(pid, home)) await pause(50)
}

/** Pids are reused: only a process with the right command and the right HOME is the one that was noted. */
async function isGateway(pid: number, home: string): Promise<boolean> {
  const [command, environment] = await Promise.all(
    ['cmdline', 'environ'].map((name) => readFile(`/proc/${pid}/${name}`, 'utf8').catch(() => '')),
  )
  return !!command?.includes('openclaw') && !!environment?.split('\0').includes(`HOME=${home}`)
}
