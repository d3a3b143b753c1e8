import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { z } from 'zod'
import type { Aftermath, Conversation } from '../runtime.ts'

/**
 * One session of OpenClaw, under the key the relay sends. Read from its own file, since a gateway that is down answers
 * nothing; tables and rows are the pinned version's, as docs/openclaw-interrupted-runs.md describes them.
 */
export function openclawConversation(home: string, sessionKey: string): Conversation {
  const path = join(home, '.openclaw', 'agents', 'main', 'agent', 'openclaw-agent.sqlite')
  // OpenClaw writes keys in lower case.
  const key = `agent:main:${sessionKey}`.toLowerCase()

  function read<T>(look: (session: Session, database: DatabaseSync) => T): T | undefined {
    if (!existsSync(path)) return undefined
    const database = new DatabaseSync(path, { readOnly: true, timeout: 2_000 })
    try {
      const known = database.prepare("SELECT 1 FROM sqlite_master WHERE name = 'session_nodes'").get()
      const row = known && database.prepare(sessionQuery).get(key)
      return row && look(sessionSchema.parse(row), database)
    } finally {
      database.close()
    }
  }

  return {
    exists: async () => read(() => true) ?? false,
    end: async () =>
      read(({ id }, database) => {
        const last = database.prepare('SELECT max(seq) AS seq FROM transcript_events WHERE session_id = ?')
        return `${id}:${Number(last.get(id)?.seq ?? -1)}`
      }) ?? '',
    since: async (mark) =>
      read((session, database) => {
        const [markedId, seq] = mark.split(':')
        const after = markedId === session.id ? Number(seq) : -1
        const rows = database
          .prepare('SELECT event_json FROM transcript_events WHERE session_id = ? AND seq > ? ORDER BY seq')
          .all(session.id, after)
        return aftermath(
          session,
          rows.flatMap(({ event_json }) => toMessage(String(event_json))),
        )
      }) ?? { state: 'absent' },
  }
}

const sessionQuery = `SELECT current_session_id AS id, status, json_extract(entry_json, '$.lifecycleRunId') AS runId
  FROM session_nodes WHERE session_key = ?`
const sessionSchema = z.object({
  id: z.string(),
  status: z.string().nullable(),
  runId: z.string().nullable(),
})
type Session = z.infer<typeof sessionSchema>

const eventSchema = z.object({
  message: z.object({
    role: z.string(),
    content: z.unknown(),
    stopReason: z.string().optional(),
    provenance: z.object({ kind: z.string() }).optional(),
  }),
})
const textSchema = z.object({ type: z.literal('text'), text: z.string() })

interface Message {
  /** user: what the relay sent. system: what OpenClaw told itself, as at a resume. */
  role: 'user' | 'system' | 'assistant' | 'tool'
  text: string
  /** A model's last word in its run. */
  isFinal: boolean
}

function toMessage(json: string): Message[] {
  const event = eventSchema.safeParse(JSON.parse(json))
  if (!event.success) return []
  const { role, content, stopReason, provenance } = event.data.message
  if (role === 'user') return [{ role: provenance ? 'system' : 'user', text: '', isFinal: false }]
  if (role !== 'assistant') return [{ role: 'tool', text: '', isFinal: false }]
  const text = z
    .array(z.unknown())
    .catch([])
    .parse(content)
    .flatMap((part) => textSchema.safeParse(part).data?.text ?? [])
    .join('')
  // OpenClaw's word for saying nothing; its gateway keeps it from callers.
  const said = /^\s*NO_REPLY\s*$/i.test(text) ? '' : text
  return [{ role: 'assistant', text: said, isFinal: stopReason === 'stop' || stopReason === 'length' }]
}

/** The answer that was complete first counts: a resume after it only says that there is nothing left to do. */
function aftermath(session: Session, messages: Message[]): Aftermath {
  const asked = messages.findLastIndex(({ role }) => role === 'user')
  const later = asked < 0 ? [] : messages.slice(asked + 1)
  const final = later.findIndex(({ isFinal, text }) => isFinal && text !== '')
  if (final >= 0) {
    const run = later.slice(0, final + 1)
    const began = run.findLastIndex(({ role }) => role === 'system')
    const texts = run.slice(began + 1).flatMap(({ text }) => (text === '' ? [] : [text]))
    return { state: 'answered', text: texts.join('\n\n') }
  }
  // Runs that the gateway's callers asked for are named chatcmpl_…, and their caller is gone.
  if (session.status === 'running') {
    return { state: session.runId?.startsWith('chatcmpl_') ? 'interrupted' : 'running' }
  }
  if (later.some(({ isFinal }) => isFinal)) return { state: 'answered', text: '' }
  // A user's message that nothing follows is set aside by OpenClaw when the next one comes.
  const first = messages.findIndex(({ role }) => role === 'user')
  const isKept =
    first >= 0 && messages.slice(first).some(({ role }) => role === 'assistant' || role === 'tool')
  return { state: isKept ? 'unanswered' : 'absent' }
}
