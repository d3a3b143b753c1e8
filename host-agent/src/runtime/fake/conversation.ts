import { access, mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'

const schema = z.array(z.object({ role: z.enum(['user', 'assistant']), content: z.string() }))

/** What an assistant remembers: one file for its one session key, as the real one keeps its own. */
export type Conversation = z.infer<typeof schema>

const pathIn = (configDir: string) => join(configDir, 'conversation.json')

export async function conversationExists(configDir: string): Promise<boolean> {
  return access(pathIn(configDir)).then(
    () => true,
    () => false,
  )
}

export async function readConversation(configDir: string): Promise<Conversation> {
  if (!(await conversationExists(configDir))) return []
  return schema.parse(JSON.parse(await readFile(pathIn(configDir), 'utf8')))
}

export async function writeConversation(configDir: string, conversation: Conversation): Promise<void> {
  await mkdir(configDir, { recursive: true, mode: 0o700 })
  await writeFile(`${pathIn(configDir)}.new`, JSON.stringify(conversation), { mode: 0o600 })
  await rename(`${pathIn(configDir)}.new`, pathIn(configDir))
}
