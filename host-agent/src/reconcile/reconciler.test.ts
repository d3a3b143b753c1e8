import { readdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Observed, Phase, Presence } from '@yourclaw/proto/host/v1'
import { expect, test } from 'vitest'
import type { FakeFaults } from '../runtime/fake/gateway.ts'
import { ready, reported, sendSnapshot, spec, startTestAgent, startTurn } from '../testing/agent.ts'

test('F2: a start beyond MAX_ASSISTANTS fails as host_full and touches nothing else', async () => {
  const { control, boot } = await startTestAgent({ settings: { MAX_ASSISTANTS: '1' } })
  await boot()
  const session = await ready(control)
  const second = spec({ assistantId: 'a2', userId: 'u2', virtualKey: 'vk2' })
  sendSnapshot({ ...session, seq: 3n }, [spec(), second])
  expect(await reported(control, ({ assistantId }) => assistantId === 'a2')).toMatchObject({
    generation: 1,
    phase: Phase.PHASE_FAILED,
    cause: { code: 'host_full' },
  })
  control.cut()
  const { hello } = await control.sessions.next()
  expect(hello.observed).toMatchObject([
    { assistantId: 'a1', phase: Phase.PHASE_READY },
    { assistantId: 'a2', phase: Phase.PHASE_FAILED },
  ])
})

test('S1: an id that is not a plain one is refused before it names a folder or a container', async () => {
  const { control, dir, boot } = await startTestAgent()
  await boot()
  const session = await control.sessions.next()
  const ids = ['../u1', 'u1/../../etc', '-rf', 'u 1', '$(id)', '', 'u1\n', 'ü', 'x'.repeat(65)]
  sendSnapshot(
    session,
    ids.map((userId, index) => spec({ assistantId: `a${index}`, userId })),
  )
  const refused = new Map<string, string | undefined>()
  while (refused.size < ids.length) {
    const { assistantId, phase, cause } = await reported(control, () => true)
    expect(phase).toBe(Phase.PHASE_FAILED)
    refused.set(assistantId, cause?.code)
  }
  expect(new Set(refused.values())).toEqual(new Set(['bad_spec']))
  expect(await readdir(dir)).toEqual(['state'])
})

test('a spec that nothing can be made of is refused by a code, and what runs goes on as it does', async () => {
  const { control, boot } = await startTestAgent()
  await boot()
  const session = await ready(control)
  const bad = [
    { presence: 42 as Presence },
    { presence: Presence.PRESENCE_UNSPECIFIED },
    { model: 'no provider' },
    { model: '' },
    { gatewayToken: '' },
    { virtualKey: '' },
    { userId: '../u1' },
  ]
  for (const [index, more] of bad.entries()) {
    const generation = index + 2
    sendSnapshot({ ...session, seq: BigInt(index + 3) }, [spec({ generation, ...more })])
    const { cause } = await reported(control, (observed) => observed.generation === generation)
    expect(cause).toEqual({ code: 'bad_spec', detail: expect.any(String) })
  }
  session.call.write({ seq: 10n, ack: 0n, body: { $case: 'startTurn', startTurn } })
  const turn = await control.turnCalls.next()
  expect((await turn.events.next()).body).toMatchObject({ open: { turnId: 't1', needsInput: true } })
})

test('F2: the place of an assistant that was erased is free again', async () => {
  const { control, boot } = await startTestAgent({ settings: { MAX_ASSISTANTS: '1' } })
  await boot()
  const session = await ready(control)
  const second = spec({ assistantId: 'a2', userId: 'u2', virtualKey: 'vk2' })
  sendSnapshot({ ...session, seq: 3n }, [spec({ generation: 2, presence: Presence.PRESENCE_ABSENT })])
  await reported(control, ({ phase }) => phase === Phase.PHASE_ABSENT)
  sendSnapshot({ ...session, seq: 4n }, [second])
  await reported(control, ({ assistantId, phase }) => assistantId === 'a2' && phase === Phase.PHASE_READY)
})

test('S2: an assistant is told at 80 % of its disk, stopped at 100 %, and a new generation is a new try', async () => {
  const { control, dir, boot } = await startTestAgent({
    settings: { ASSISTANT_DISK_MB: '1' },
    diskIntervalMs: 20,
  })
  await boot()
  const session = await ready(control)
  const file = join(dir, 'data', 'u1', 'workspace', 'download')
  const holds = (kilobytes: number) => writeFile(file, 'x'.repeat(kilobytes * 1024))
  const isReady = ({ phase }: Observed) => phase === Phase.PHASE_READY
  await holds(900)
  expect((await reported(control, isReady)).cause).toMatchObject({
    code: 'disk_nearly_full',
    detail: expect.stringContaining('of the 1 MiB'),
  })
  await holds(10)
  expect((await reported(control, isReady)).cause).toBeUndefined()
  await holds(1100)
  const stopped = await reported(control, ({ phase }) => phase === Phase.PHASE_FAILED)
  expect(stopped).toMatchObject({ generation: 1, cause: { code: 'disk_limit' } })
  await rm(file)
  sendSnapshot({ ...session, seq: 3n }, [spec({ generation: 2 })])
  expect((await reported(control, isReady)).generation).toBe(2)
})

test('F7: what crashes is started again; a crash loop ends with its cause, and a new generation is a new try', async () => {
  const faults: FakeFaults = { crash: true }
  const { control, model, boot } = await startTestAgent({ faults })
  // A run that a crash interrupted is taken up again and answered, so that the next turn can begin.
  model.release()
  await boot()
  const session = await ready(control)
  const crash = async (count: number) => {
    const startTurn = {
      turnId: `t${count}`,
      assistantId: 'a1',
      attempt: 1,
      traceParent: '',
      conversation: 0,
      input: undefined,
    }
    session.call.write({ seq: BigInt(2 + count), ack: 0n, body: { $case: 'startTurn', startTurn } })
    const turn = await control.turnCalls.next()
    const messages = [{ text: 'hi', atUnixMs: 0n }]
    const deadlineUnixMs = BigInt(Date.now() + 60_000)
    turn.call.write({ body: { $case: 'input', input: { messages, history: [], deadlineUnixMs } } })
    const { body } = await turn.events.next((event) => event.body?.$case === 'failed')
    expect(body).toMatchObject({ failed: { cause: { code: 'assistant_unreachable' }, retryable: true } })
  }
  for (const count of [1, 2, 3]) {
    await crash(count)
    await reported(control, ({ phase }) => phase === Phase.PHASE_STARTING)
    await reported(control, ({ phase }) => phase === Phase.PHASE_READY)
  }
  await crash(4)
  const { cause, generation } = await reported(control, ({ phase }) => phase === Phase.PHASE_FAILED)
  expect([generation, cause]).toMatchObject([
    1,
    { code: 'crash_loop', detail: expect.stringContaining('4 times') },
  ])

  faults.crash = false
  sendSnapshot({ ...session, seq: 7n }, [spec({ generation: 2 })])
  expect(await reported(control, ({ phase }) => phase === Phase.PHASE_READY)).toMatchObject({ generation: 2 })
})
