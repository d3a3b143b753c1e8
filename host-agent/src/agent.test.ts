import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { is, ready, running, startTestAgent, startTurn } from './testing/agent.ts'

const farMs = BigInt(Date.now() + 60_000)

async function start() {
  const system = await startTestAgent()
  await system.boot()
  return system
}

test('an enrolled host brings an assistant up and answers a turn with the shared key', async () => {
  const { control, model, env, dir } = await start()
  const { turn, opened } = await running(control)
  expect(opened.body).toMatchObject({ open: { turnId: 't1', needsInput: true, conversationExists: false } })
  model.release()
  expect((await turn.events.next(is('done'))).body).toMatchObject({ done: { text: 'one two' } })
  expect(model.requests).toEqual([{ key: 'real', last: 'a\nb' }])
  expect((await stat(join(env.STATE_DIR, 'identity.json'))).mode & 0o777).toBe(0o600)
  await stat(join(dir, 'data/u1/config/conversation-yourclaw-a1.json'))
})

test('M15: input that comes with the announcement starts a turn once, where the conversation exists', async () => {
  const { control, model } = await start()
  const { session, turn } = await running(control)
  model.release()
  await turn.events.next(is('done'))
  turn.call.write({ body: { $case: 'stored', stored: {} } })
  turn.call.end()
  const input = { messages: [{ text: 'c', atUnixMs: 0n }], history: [], deadlineUnixMs: farMs }
  const body = { $case: 'startTurn' as const, startTurn: { ...startTurn, turnId: 't2', input } }
  session.call.write({ seq: 4n, ack: 0n, body })
  const first = await control.turnCalls.next()
  expect((await first.events.next()).body).toMatchObject({ open: { turnId: 't2', needsInput: false } })
  // The same word once more opens another stream, and nothing else.
  session.call.write({ seq: 5n, ack: 0n, body })
  const again = await control.turnCalls.next()
  expect((await again.events.next()).body).toMatchObject({ open: { turnId: 't2', needsInput: false } })
  expect((await again.events.next(is('done'))).body).toMatchObject({ done: { text: 'one two' } })
  expect(model.requests.map(({ last }) => last)).toEqual(['a\nb', 'c'])
})

test('a conversation that was lost asks for its history, whatever came with the announcement', async () => {
  const { control, model } = await start()
  const session = await ready(control)
  const input = { messages: [{ text: 'a', atUnixMs: 0n }], history: [], deadlineUnixMs: farMs }
  session.call.write({ seq: 3n, ack: 0n, body: { $case: 'startTurn', startTurn: { ...startTurn, input } } })
  const turn = await control.turnCalls.next()
  expect((await turn.events.next()).body).toMatchObject({
    open: { needsInput: true, conversationExists: false },
  })
  expect(model.requests).toEqual([])
})

test('a turn outlives its link: the next session hands its result over, once', async () => {
  const { control, model } = await start()
  await running(control)
  control.cut()
  const next = await control.sessions.next()
  expect(next.hello.heldTurns).toEqual([{ turnId: 't1', attempt: 1, finished: false }])
  model.release()
  next.call.write({ seq: 2n, ack: 0n, body: { $case: 'startTurn', startTurn } })
  const again = await control.turnCalls.next()
  expect((await again.events.next()).body).toMatchObject({
    open: { needsInput: false, sessionEpoch: next.epoch },
  })
  expect((await again.events.next(is('done'))).body).toMatchObject({ done: { text: 'one two' } })
  expect(model.requests).toHaveLength(1)
  again.call.write({ body: { $case: 'stored', stored: {} } })
  again.call.end()
  next.call.write({ seq: 3n, ack: 0n, body: { $case: 'goAway', goAway: { reason: 'draining' } } })
  expect((await control.sessions.next()).hello.heldTurns).toEqual([])
})

test('a result that nobody waits for any more is forgotten', async () => {
  const { control, model } = await start()
  await running(control)
  control.cut()
  model.release()
  const next = await control.sessions.next()
  const cancelTurn = { turnId: 't1', forget: true }
  next.call.write({ seq: 2n, ack: 0n, body: { $case: 'cancelTurn', cancelTurn } })
  next.call.write({ seq: 3n, ack: 0n, body: { $case: 'goAway', goAway: { reason: 'draining' } } })
  expect((await control.sessions.next()).hello.heldTurns).toEqual([])
})

test('a canceled turn ends the model call, and is no fault', async () => {
  const { control, model, warnings } = await start()
  const { session, turn } = await running(control)
  session.call.write({
    seq: 4n,
    ack: 0n,
    body: { $case: 'cancelTurn', cancelTurn: { turnId: 't1', forget: false } },
  })
  expect((await turn.events.next(is('failed'))).body).toMatchObject({
    failed: { cause: { code: 'turn_canceled' } },
  })
  await model.aborted
  expect(warnings).toEqual([])
})

test('a turn past its deadline fails with turn_deadline and ends the model call', async () => {
  const { control, model, warnings } = await start()
  const { turn } = await running(control, 500)
  expect((await turn.events.next(is('failed'))).body).toMatchObject({
    failed: { cause: { code: 'turn_deadline' } },
  })
  await model.aborted
  expect(warnings).toEqual([expect.stringMatching(/The turn took too long.*turn failed/)])
})
