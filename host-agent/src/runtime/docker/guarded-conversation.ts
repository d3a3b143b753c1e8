import { dirname } from 'node:path'
import { z } from 'zod'
import { AgentError } from '../../errors.ts'
import type { Conversation } from '../runtime.ts'
import { tenantUid } from './container.ts'
import { type Folders, isPassable } from './folders.ts'
import { type Place, type Question, type Reader, startReader } from './reader.ts'

/** Questions come in groups, around a turn. */
const idleMs = 10_000

const aftermath = z.union([
  z.object({ state: z.enum(['absent', 'interrupted', 'running', 'unanswered']) }),
  z.object({ state: z.literal('answered'), text: z.string() }),
])

/**
 * Conversations of assistants that are not trusted with their own files: a pipe in the place of a database, or a
 * database whose views never end, must hold up nobody else. Each is read by a process of its own, which ends after a
 * while; one more waits for the next, since a start takes longer than a person should.
 */
export function createGuardedConversations() {
  const readers = new Map<string, { reader: Reader; timer: NodeJS.Timeout }>()
  let spare: Reader | undefined

  function take(place: Place): Reader {
    const known = readers.get(place.sessionKey)
    if (known && !known.reader.isOver()) {
      known.timer.refresh()
      return known.reader
    }
    clearTimeout(known?.timer)
    const reader = spare && !spare.isOver() ? spare : startReader()
    spare = startReader()
    reader.open(place)
    const timer = setTimeout(() => {
      readers.delete(place.sessionKey)
      reader.end()
    }, idleMs)
    readers.set(place.sessionKey, { reader, timer })
    return reader
  }

  async function placeOf({ root, home, groupId }: Folders, sessionKey: string): Promise<Place> {
    // SQLite looks at every folder from the top. Below a closed one, as in a root's home, only the agent gets there.
    const dropsRights = await isPassable(dirname(root))
    return { home, sessionKey, ...(dropsRights && { rights: { uid: tenantUid, gid: groupId } }) }
  }

  return {
    of(folders: Folders, sessionKey: string): Conversation {
      async function ask<T>(schema: z.ZodType<T>, verb: Question['verb'], mark = ''): Promise<T> {
        try {
          return schema.parse(await take(await placeOf(folders, sessionKey)).ask({ verb, mark }))
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
    },
    close(): void {
      spare?.end()
      for (const { reader, timer } of readers.values()) {
        clearTimeout(timer)
        reader.end()
      }
      readers.clear()
    },
  }
}
