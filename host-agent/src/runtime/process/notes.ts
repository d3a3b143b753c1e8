import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'

const schema = z.object({
  pid: z.number().int().positive(),
  /** When the kernel started it: pids are used again, the two together are not. */
  startTime: z.string().min(1),
  home: z.string().min(1),
  port: z.number().int().positive(),
  /** Of OpenClaw, since a config goes with its version. */
  version: z.string(),
  /** Of the spec it was started for: a restart that was asked for meanwhile is still to come. */
  restartCount: z.number().int(),
})

/** Which process is whose, for the agent that comes after one that died. */
export type Note = z.infer<typeof schema>

export async function writeNote(runDir: string, assistantId: string, note: Note): Promise<void> {
  await mkdir(runDir, { recursive: true, mode: 0o700 })
  await writeFile(join(runDir, assistantId), JSON.stringify(note), { mode: 0o600 })
}

export async function dropNote(runDir: string, assistantId: string): Promise<void> {
  await rm(join(runDir, assistantId), { force: true })
}

/** The note of a gateway that still runs. */
export async function readNote(runDir: string, assistantId: string): Promise<Note | undefined> {
  const text = await readFile(join(runDir, assistantId), 'utf8').catch(() => '')
  const note = parse(text)
  return note && (await isRunning(note)) ? note : undefined
}

/** Assistants whose noted gateway still runs. */
export async function listNotes(runDir: string): Promise<string[]> {
  const names = await readdir(runDir).catch(() => [])
  const running = await Promise.all(names.map(async (name) => (await readNote(runDir, name)) !== undefined))
  return names.filter((_name, index) => running[index])
}

/** The very process that was noted, and not a zombie, whose environment is empty. */
export async function isRunning({ pid, startTime, home }: Note): Promise<boolean> {
  const environment = await readFile(`/proc/${pid}/environ`, 'utf8').catch(() => '')
  return environment.split('\0').includes(`HOME=${home}`) && (await startTimeOf(pid)) === startTime
}

/** In the kernel's ticks since it booted: field 22 of proc(5)'s stat; the name before may hold spaces and brackets. */
export async function startTimeOf(pid: number): Promise<string> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '')
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? ''
}

function parse(text: string): Note | undefined {
  try {
    return schema.safeParse(JSON.parse(text)).data
  } catch {
    return undefined
  }
}
