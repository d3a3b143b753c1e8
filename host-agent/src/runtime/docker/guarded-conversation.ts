import { execFile } from 'node:child_process'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { z } from 'zod'
import { AgentError } from '../../errors.ts'
import type { Conversation } from '../runtime.ts'
import { tenantUid } from './container.ts'
import { type Folders, isPassable } from './folders.ts'

const script = fileURLToPath(new URL('./read-conversation.ts', import.meta.url))
const deadlineMs = 5_000
const maxAnswerBytes = 4 * 2 ** 20

const aftermath = z.union([
  z.object({ state: z.enum(['absent', 'interrupted', 'running', 'unanswered']) }),
  z.object({ state: z.literal('answered'), text: z.string() }),
])

/**
 * The conversation of an assistant that is not trusted with its own files: a pipe in the place of a database, or a
 * database whose views never end, must hold up nobody else. Each question is answered by a process of its own.
 */
export function guardedConversation({ root, home, groupId }: Folders, assistantId: string): Conversation {
  async function ask<T>(schema: z.ZodType<T>, ...question: string[]): Promise<T> {
    try {
      // SQLite looks at every folder from the top. Below a closed one, as in a root's home, only the agent gets there.
      const dropsRights = await isPassable(dirname(root))
      const rights = dropsRights ? [String(tenantUid), String(groupId)] : ['0', '0']
      const { stdout } = await promisify(execFile)(
        process.execPath,
        [script, ...rights, home, assistantId, ...question],
        { timeout: deadlineMs, killSignal: 'SIGKILL', maxBuffer: maxAnswerBytes, env: {} },
      )
      return schema.parse(JSON.parse(stdout))
    } catch (error) {
      throw new AgentError('conversation_unreadable', 'The assistant’s conversation could not be read.', {
        cause: error,
        retryable: true,
      })
    }
  }
  return {
    exists: () => ask(z.boolean(), 'exists'),
    end: () => ask(z.string(), 'end'),
    since: (mark) => ask(aftermath, 'since', mark),
  }
}
