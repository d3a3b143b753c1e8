import { X509Certificate } from 'node:crypto'
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { expect, test, vi } from 'vitest'
import { is, ready, running, startTestAgent, startTurn, type TestControlPlane } from '../testing/agent.ts'

/** The next sign of life. */
const heartbeat = (control: TestControlPlane) => control.said.next(({ body }) => body?.$case === 'heartbeat')

test('F3: GoAway in the middle of a turn: the turn goes on and is handed over on the next session', async () => {
  const { control, model, boot } = await startTestAgent()
  await boot()
  const { session } = await running(control)
  session.call.write({ seq: 4n, ack: 0n, body: { $case: 'goAway', goAway: { reason: 'draining' } } })
  const next = await control.sessions.next()
  expect(next.hello).toMatchObject({
    observed: [{ assistantId: 'a1', generation: 1 }],
    heldTurns: [{ turnId: 't1', attempt: 1, finished: false }],
  })
  next.call.write({ seq: 2n, ack: 0n, body: { $case: 'startTurn', startTurn } })
  const again = await control.turnCalls.next()
  expect((await again.events.next()).body).toMatchObject({
    open: { needsInput: false, sessionEpoch: next.epoch },
  })
  model.release()
  expect((await again.events.next(is('done'))).body).toMatchObject({ done: { text: 'one two' } })
  expect(model.requests).toHaveLength(1)
})

test('F8: a reader that stands still holds its turn’s stream back, and what it missed comes as one piece', async () => {
  // More bytes than the connection's own buffers take.
  const rest = Array.from({ length: 90 }, (_, index) => `${index} `.padEnd(10_000, '…'))
  const { control, model, dir, boot } = await startTestAgent({ rest })
  await boot()
  const { turn } = await running(control)
  turn.call.pause()
  model.release()
  // Written when the assistant has said everything.
  await vi.waitFor(
    () => expect(existsSync(`${dir}/data/u1/config/conversation-yourclaw-a1.json`)).toBe(true),
    10_000,
  )
  for (let beats = 0; beats < 3; beats++) await heartbeat(control)
  turn.call.resume()
  const pieces: string[] = []
  for (;;) {
    const { body } = await turn.events.next()
    if (body?.$case === 'delta') pieces.push(body.delta.text)
    if (body?.$case !== 'done') continue
    expect(body.done.text).toBe(`one ${rest.join('')}`)
    break
  }
  expect(pieces.join('')).toBe(rest.join(''))
  expect(Math.max(...pieces.map((piece) => piece.length))).toBeGreaterThan(10_000)
})

test('F3: a control plane that falls silent is left, and the assistant does not notice', async () => {
  const { control, boot } = await startTestAgent({ control: { sessionTimeoutMs: 200 } })
  await boot()
  await ready(control)
  // Several timeouts' worth of signs of life, each answered.
  for (let beats = 0; beats < 12; beats++) await heartbeat(control)
  expect(control.epoch()).toBe(1n)
  control.fallSilent()
  const next = await control.sessions.next()
  expect(next.epoch).toBe(2n)
  expect(next.hello.observed).toMatchObject([{ assistantId: 'a1', generation: 1, step: 'ready' }])
})

test('S5: a certificate is renewed at two thirds of its life, stored, and then shown by the next session', async () => {
  const { control, env, boot } = await startTestAgent({ control: { lifeMs: 3_000, renewalSendsAway: true } })
  await boot()
  const first = await control.sessions.next()
  const second = await control.sessions.next()
  const stored = JSON.parse(await readFile(`${env.STATE_DIR}/identity.json`, 'utf8'))
  expect(control.renewals()).toBe(1)
  expect(second.serial).not.toBe(first.serial)
  expect(new X509Certificate(stored.certificatePem).serialNumber).toBe(second.serial)
})

test('F11: a message that the agent does not know is answered, and the session goes on', async () => {
  const { control, boot } = await startTestAgent()
  await boot()
  const session = await ready(control)
  session.call.write({ seq: 3n, ack: 0n, body: undefined })
  const answer = await control.said.next(({ body }) => body?.$case === 'unsupported')
  expect(answer.body).toEqual({ $case: 'unsupported', unsupported: { seq: 3n } })
  session.call.write({ seq: 4n, ack: 0n, body: { $case: 'startTurn', startTurn } })
  const turn = await control.turnCalls.next()
  expect((await turn.events.next()).body).toMatchObject({ open: { turnId: 't1' } })
})
