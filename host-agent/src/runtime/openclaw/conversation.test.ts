import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { expect, onTestFinished, test } from 'vitest'
import { openclawConversation } from './conversation.ts'

/** A session file with the tables and columns of the pinned OpenClaw that are read; rows as it was seen to write them. */
function start() {
  const home = mkdtempSync(join(tmpdir(), 'conversation-'))
  onTestFinished(() => rmSync(home, { recursive: true, force: true }))
  const folder = join(home, '.openclaw', 'agents', 'main', 'agent')
  mkdirSync(folder, { recursive: true })
  const db = new DatabaseSync(join(folder, 'openclaw-agent.sqlite'))
  onTestFinished(() => db.close())
  db.exec(`CREATE TABLE session_nodes (session_key TEXT PRIMARY KEY, current_session_id TEXT, status TEXT, entry_json TEXT);
    CREATE TABLE transcript_events (session_id TEXT, seq INTEGER, event_json TEXT, PRIMARY KEY (session_id, seq))`)
  let seq = -1
  const says = (status: string, runId: string, session = 's1') =>
    db
      .prepare('INSERT OR REPLACE INTO session_nodes VALUES (?, ?, ?, ?)')
      .run('agent:main:yourclaw-a1', session, status, JSON.stringify({ lifecycleRunId: runId }))
  const row = (message: object, session = 's1') => {
    seq += 1
    const event = JSON.stringify({ type: 'message', message })
    db.prepare('INSERT INTO transcript_events VALUES (?, ?, ?)').run(session, seq, event)
  }
  return { conversation: openclawConversation(home, 'yourclaw-A1'), says, row }
}

const user = { role: 'user', content: 'hi' }
const resumed = {
  role: 'user',
  content: '[System] Your previous turn …',
  provenance: { kind: 'internal_system' },
}
const answer = (text: string, stopReason = 'stop') => ({
  role: 'assistant',
  content: [{ type: 'text', text }],
  stopReason,
})
const toolResult = { role: 'toolResult', content: [{ type: 'text', text: '42' }] }

/** Earlier rows, a mark, then `rows`; the session is left as `status` by a run of that name. */
async function since(status: string, runId: string, rows: object[]) {
  const { conversation, says, row } = start()
  expect(await conversation.exists()).toBe(false)
  says('done', 'chatcmpl_1')
  row(user)
  row(answer('earlier'))
  expect(await conversation.exists()).toBe(true)
  const mark = await conversation.end()
  says(status, runId)
  for (const message of rows) row(message)
  return conversation.since(mark)
}

test('M15: what became of a turn is read from the rows after its mark', async () => {
  // Killed before the message was kept, or after a caller left: OpenClaw sets such a message aside.
  expect(await since('done', 'chatcmpl_2', [])).toEqual({ state: 'absent' })
  expect(await since('killed', 'chatcmpl_2', [user])).toEqual({ state: 'absent' })
  // Killed in the run: first nobody, then a run of OpenClaw's own, then its answer.
  expect(await since('running', 'chatcmpl_2', [user])).toEqual({ state: 'interrupted' })
  expect(await since('running', 'uuid', [user, resumed])).toEqual({ state: 'running' })
  expect(await since('done', 'uuid', [user, resumed, answer('resumed')])).toEqual({
    state: 'answered',
    text: 'resumed',
  })
  // The model gave up: the message stays, and is not sent again.
  expect(await since('failed', 'chatcmpl_2', [user, answer('', 'error')])).toEqual({ state: 'unanswered' })
})

test('M15: an answer that was complete before the kill counts, not what the resumed run adds', async () => {
  const rows = [user, answer('complete')]
  const found = { state: 'answered', text: 'complete' }
  expect(await since('running', 'chatcmpl_2', rows)).toEqual(found)
  expect(await since('done', 'uuid', [...rows, resumed, answer('Nothing left to do.')])).toEqual(found)
})

test('M15: an answer around tools is whole, a partial one before the kill is not part of it, silence is empty', async () => {
  const call = answer('I look.', 'toolUse')
  expect(
    await since('done', 'uuid', [user, call, toolResult, resumed, call, toolResult, answer('42')]),
  ).toEqual({
    state: 'answered',
    text: 'I look.\n\n42',
  })
  expect(await since('killed', 'chatcmpl_2', [user, call, toolResult])).toEqual({ state: 'unanswered' })
  expect(await since('done', 'uuid', [user, resumed, answer('NO_REPLY')])).toEqual({
    state: 'answered',
    text: '',
  })
})

test('M15: another turn’s answer is not taken for this one’s, nor an older session', async () => {
  // The mark was taken while OpenClaw resumed a turn before, which then ended.
  expect(await since('done', 'uuid', [answer('for the turn before')])).toEqual({ state: 'absent' })
  expect(await since('killed', 'chatcmpl_2', [answer('for the turn before'), user])).toEqual({
    state: 'absent',
  })

  const { conversation, says, row } = start()
  expect(await conversation.since(await conversation.end())).toEqual({ state: 'absent' })
  says('done', 'chatcmpl_1')
  row(user)
  row(user)
  const mark = await conversation.end()
  says('done', 'chatcmpl_2', 's2')
  row(user, 's2')
  row(answer('in a new session'), 's2')
  expect(await conversation.since(mark)).toEqual({ state: 'answered', text: 'in a new session' })
})
