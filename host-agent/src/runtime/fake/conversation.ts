import { access, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import type { Conversation } from '../runtime.ts'

const schema = z.array(z.object({ role: z.enum(['user', 'assistant']), content: z.string() }))

/** What an assistant remembers: one file for its one session key, as the real one keeps its own. */
export type Messages = z.infer<typeof schema>

const pathIn = (configDir: string) => join(configDir, 'conversation.json')
/** There while a run goes on; a process that ends in a run leaves it behind. */
const runningIn = (configDir: string) => join(configDir, 'running')

const isThere = (path: string) =>
  access(path).then(
    () => true,
    () => false,
  )

export async function readMessages(configDir: string): Promise<Messages> {
  if (!(await isThere(pathIn(configDir)))) return []
  return schema.parse(JSON.parse(await readFile(pathIn(configDir), 'utf8')))
}

export async function writeMessages(configDir: string, messages: Messages): Promise<void> {
  await mkdir(configDir, { recursive: true, mode: 0o700 })
  await writeFile(`${pathIn(configDir)}.new`, JSON.stringify(messages), { mode: 0o600 })
  await rename(`${pathIn(configDir)}.new`, pathIn(configDir))
}

export const isRunning = (configDir: string) => isThere(runningIn(configDir))

export async function setRunning(configDir: string, running: boolean): Promise<void> {
  if (running) await writeFile(runningIn(configDir), '')
  else await rm(runningIn(configDir), { force: true })
}

/** The same answers as the real one's: see docs/openclaw-interrupted-runs.md. A mark is a number of messages. */
export function fakeConversation(configDir: string): Conversation {
  return {
    exists: () => isThere(pathIn(configDir)),
    end: async () => String((await readMessages(configDir)).length),
    async since(mark) {
      const later = (await readMessages(configDir)).slice(Number(mark))
      const last = later.at(-1)
      const isTaken = later.some((message) => message.role === 'user')
      if (isTaken && last?.role === 'assistant') return { state: 'answered', text: last.content }
      return { state: (await isRunning(configDir)) ? 'running' : 'absent' }
    },
  }
}
