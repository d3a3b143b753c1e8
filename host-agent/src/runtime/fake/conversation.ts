import { access, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import type { Conversation } from '../runtime.ts'

const schema = z.array(z.object({ role: z.enum(['user', 'assistant']), content: z.string() }))

/** What was said in one conversation: one file for each session key, as the real one keeps its own. */
export type Messages = z.infer<typeof schema>

/** The key comes from our own agent, and is made safe all the same. */
const pathIn = (configDir: string, key: string) =>
  join(configDir, `conversation-${key.replace(/[^\w-]/g, '_')}.json`)
/** There while a run goes on; a process that ends in a run leaves it behind. */
const runningIn = (configDir: string) => join(configDir, 'running')

const isThere = (path: string) =>
  access(path).then(
    () => true,
    () => false,
  )

export async function readMessages(configDir: string, key: string): Promise<Messages> {
  const path = pathIn(configDir, key)
  if (!(await isThere(path))) return []
  return schema.parse(JSON.parse(await readFile(path, 'utf8')))
}

export async function writeMessages(configDir: string, key: string, messages: Messages): Promise<void> {
  const path = pathIn(configDir, key)
  await mkdir(configDir, { recursive: true, mode: 0o700 })
  await writeFile(`${path}.new`, JSON.stringify(messages), { mode: 0o600 })
  await rename(`${path}.new`, path)
}

/** The key of the conversation in which a run goes on. */
export const runningKey = (configDir: string): Promise<string | undefined> =>
  readFile(runningIn(configDir), 'utf8').catch(() => undefined)

export async function setRunning(configDir: string, key: string | undefined): Promise<void> {
  if (key !== undefined) await writeFile(runningIn(configDir), key)
  else await rm(runningIn(configDir), { force: true })
}

/** The same answers as the real one's: see docs/openclaw-interrupted-runs.md. A mark is a number of messages. */
export function fakeConversation(configDir: string, key: string): Conversation {
  return {
    exists: () => isThere(pathIn(configDir, key)),
    end: async () => String((await readMessages(configDir, key)).length),
    async since(mark) {
      const later = (await readMessages(configDir, key)).slice(Number(mark))
      const last = later.at(-1)
      const isTaken = later.some((message) => message.role === 'user')
      if (isTaken && last?.role === 'assistant') return { state: 'answered', text: last.content }
      return { state: (await runningKey(configDir)) === key ? 'running' : 'absent' }
    },
  }
}
