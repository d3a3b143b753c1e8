import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'

/**
 * Whether OpenClaw keeps a session under the key the relay sends. Read from its own file, since its gateway has no
 * cheap question for it; the table belongs to the pinned version.
 */
export function conversationExists(home: string, assistantId: string): boolean {
  const path = join(home, '.openclaw', 'agents', 'main', 'agent', 'openclaw-agent.sqlite')
  if (!existsSync(path)) return false
  const database = new DatabaseSync(path, { readOnly: true, timeout: 2_000 })
  try {
    const known = database.prepare("SELECT 1 FROM sqlite_master WHERE name = 'session_nodes'").get()
    if (!known) return false
    // OpenClaw writes keys in lower case.
    const key = `agent:main:yourclaw-${assistantId}`.toLowerCase()
    return database.prepare('SELECT 1 FROM session_nodes WHERE session_key = ?').get(key) !== undefined
  } finally {
    database.close()
  }
}
