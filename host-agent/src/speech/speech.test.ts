import { randomBytes } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { request } from 'node:http'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { status } from '@grpc/grpc-js'
import { type HandOverOpen, Phase } from '@yourclaw/proto/host/v1'
import { expect, test } from 'vitest'
import {
  ready,
  reported,
  running,
  sendSnapshot,
  spec,
  startTestAgent,
  type TestControlPlane,
} from '../testing/agent.ts'

const capabilities = ['heartbeat-ack', 'hand-over']

/** An agent whose one assistant is ready, and its address of the channel. */
async function start(options: { capabilities?: string[] } = {}) {
  const system = await startTestAgent({ control: { capabilities, ...options } })
  const agent = await system.boot()
  const port = await readFile(join(system.env.STATE_DIR, 'model-gateway-port'), 'utf8')
  const spool = join(system.env.STATE_DIR, 'speech', 'files')
  return { ...system, agent, url: `http://127.0.0.1:${port}/channel/messages`, spooled: () => readdir(spool) }
}

interface Posted {
  status: number
  body: { id?: string; state?: string; error?: { code: string; message: string } }
}

/** As the plugin posts: a line of JSON, and the file after it. */
async function post(url: string, head: object | string, file = Buffer.alloc(0), key = 'vk'): Promise<Posted> {
  const { promise, resolve, reject } = Promise.withResolvers<Posted>()
  const call = request(url, { method: 'POST', headers: { authorization: `Bearer ${key}` } }, (response) =>
    text(response).then(
      (body) => resolve({ status: response.statusCode ?? 0, body: JSON.parse(body) }),
      reject,
    ),
  )
  call.on('error', reject)
  call.write(typeof head === 'string' ? head : `${JSON.stringify(head)}\n`)
  call.end(file)
  return promise
}

/** The next message that is handed over, whole. */
async function handedOver(control: TestControlPlane) {
  const { call, events } = await control.handOvers.next()
  const chunks: Uint8Array[] = []
  let open: HandOverOpen | undefined
  for (;;) {
    const { body } = await events.next()
    if (body?.$case === 'open') open = body.open
    else if (body?.$case === 'chunk') chunks.push(body.chunk)
    else break
  }
  if (!open) throw new Error('no open')
  const largest = Math.max(0, ...chunks.map(({ length }) => length))
  return {
    open,
    bytes: Buffer.concat(chunks),
    largest,
    stored: () => call.write({ body: { $case: 'stored', stored: {} } }),
    refuse: (code: string, detail: string) =>
      call.write({ body: { $case: 'refused', refused: { cause: { code, detail } } } }),
    break: () => call.emit('error', { code: status.UNAVAILABLE, details: 'broken' }),
  }
}

test('M12: what an assistant says is on the host’s disk before it is taken, and handed over with its file, once', async () => {
  const { control, url, spooled } = await start()
  const session = await ready(control)
  const file = randomBytes(700_000)
  const head = { id: 'call-1', text: 'Here it is.', file: { name: '../../chart.png', bytes: file.length } }
  const posting = post(url, head, file)
  const first = await handedOver(control)
  expect(first.open).toMatchObject({
    assistantId: 'a1',
    sessionEpoch: session.epoch,
    text: 'Here it is.',
    turnId: '',
    file: { name: 'chart.png', bytes: BigInt(file.length) },
  })
  expect(first.bytes.equals(file)).toBe(true)
  expect(first.largest).toBeLessThanOrEqual(256 * 1024)
  expect(await spooled()).toEqual([first.open.messageId])
  // A stream that breaks is opened again, with the same id.
  first.break()
  const second = await handedOver(control)
  expect(second.open.messageId).toBe(first.open.messageId)
  second.stored()
  expect(await posting).toEqual({ status: 200, body: { id: first.open.messageId, state: 'stored' } })
  expect(await spooled()).toEqual([])
  // The plugin tries again after an answer that it lost: nothing is said twice.
  expect(await post(url, head, file)).toMatchObject({ status: 200, body: { id: first.open.messageId } })
  expect(control.handOvers.waiting()).toBe(0)
})

test('M12: a message outlives the agent and a control plane that is away, and keeps its place', async () => {
  const { control, url, agent, boot, env } = await start()
  await ready(control)
  const says = (id: string, said: string) => post(url, { id, text: said })
  const [one] = [says('1', 'one'), await handedOver(control)]
  control.cut()
  // Nobody is there to hand it to; the agent stops before it is.
  await agent.stop(0)
  await one.catch(() => {})
  await boot()
  await ready(control)
  const again = await handedOver(control)
  expect(again.open).toMatchObject({ text: 'one' })
  const port = await readFile(join(env.STATE_DIR, 'model-gateway-port'), 'utf8')
  const two = post(`http://127.0.0.1:${port}/channel/messages`, { id: '2', text: 'two' })
  again.stored()
  const next = await handedOver(control)
  expect(next.open).toMatchObject({ text: 'two' })
  next.stored()
  expect(await two).toMatchObject({ status: 200, body: { state: 'stored' } })
})

test('M12, O3: what the control plane refuses is said to the model in its words', async () => {
  const { control, url } = await start()
  await ready(control)
  const posting = post(url, { id: '1', text: 'psst' })
  ;(await handedOver(control)).refuse('proactive_off', 'They want no messages.')
  const refused = {
    status: 422,
    body: { error: { code: 'proactive_off', message: 'They want no messages.' } },
  }
  expect(await posting).toMatchObject(refused)
  expect(await post(url, { id: '1', text: 'psst' })).toMatchObject(refused)
})

test('M12, O1: what is said while a turn runs names it', async () => {
  const { control, url } = await start()
  await running(control)
  const posting = post(url, { id: '1', text: 'look' })
  const said = await handedOver(control)
  expect(said.open).toMatchObject({ turnId: 't1' })
  said.stored()
  await posting
})

test('F11: a control plane that knows no such call is not called; what is said waits for one that does', async () => {
  const { control, url } = await start({ capabilities: ['heartbeat-ack'] })
  await ready(control)
  const gone = AbortSignal.timeout(200)
  const posting = fetch(url, {
    method: 'POST',
    headers: { authorization: 'Bearer vk' },
    body: `${JSON.stringify({ id: '1', text: 'later' })}\n`,
    signal: gone,
  })
  await expect(posting).rejects.toThrow()
  expect(control.handOvers.waiting()).toBe(0)
})

test('S1, F8, O3: a hostile tenant is refused by a code, and nothing of it is kept', async () => {
  const { control, url, spooled } = await start()
  await ready(control)
  const file = { name: 'x', bytes: 10 }
  const code = async (posting: Promise<Posted>) => {
    const { status, body } = await posting
    return [status, body.error?.code]
  }
  expect(await code(post(url, { id: '1', text: 'hi' }, undefined, 'foreign'))).toEqual([
    422,
    'unknown_virtual_key',
  ])
  expect(await code(post(url, 'not json\n'))).toEqual([400, 'malformed_message'])
  expect(await code(post(url, { id: '1', text: ' ' }))).toEqual([400, 'malformed_message'])
  expect(await code(post(url, { id: '1', text: 'x'.repeat(300_000) }))).toEqual([400, 'malformed_message'])
  expect(await code(post(url, { id: '1', file: { name: 'x', bytes: 2 ** 40 } }))).toEqual([
    400,
    'malformed_message',
  ])
  // More than it said, and less.
  expect(await code(post(url, { id: '1', file }, Buffer.alloc(11)))).toEqual([400, 'malformed_message'])
  expect(await code(post(url, { id: '1', file }, Buffer.alloc(9)))).toEqual([400, 'malformed_message'])
  expect(await spooled()).toEqual([])
  // A flood.
  const flood = await Promise.all(
    Array.from({ length: 40 }, (_, index) => code(post(url, { id: `f${index}`, text: ' ' }))),
  )
  expect(flood).toContainEqual([429, 'too_many_messages'])
  expect(control.handOvers.waiting()).toBe(0)
})

/** An agent of these assistants, each ready. */
async function startAll(all: string[]) {
  const started = await start()
  const session = await started.control.sessions.next()
  sendSnapshot(
    session,
    all.map((assistantId) => spec({ assistantId, userId: assistantId, virtualKey: `vk-${assistantId}` })),
  )
  const starting = new Set(all)
  while (starting.size > 0) {
    const { assistantId } = await reported(started.control, ({ phase }) => phase === Phase.PHASE_READY)
    starting.delete(assistantId)
  }
  return started
}

test('F8: a file that did not get through and hangs now keeps no other assistant’s words waiting that did not either', async () => {
  const { control, url } = await startAll(['films', 'writes'])
  const film = randomBytes(1_000)
  const head = { id: '1', text: '', file: { name: 'film', bytes: film.length } }
  void post(url, head, film, 'vk-films').catch(() => {})
  ;(await handedOver(control)).break()
  // Nobody answers it.
  expect((await handedOver(control)).open.assistantId).toBe('films')
  const posted = post(url, { id: '1', text: 'hello' }, undefined, 'vk-writes')
  const first = await handedOver(control)
  expect(first.open.assistantId).toBe('writes')
  first.break()
  const again = await handedOver(control)
  expect(again.open.messageId).toBe(first.open.messageId)
  again.stored()
  expect(await posted).toMatchObject({ status: 200 })
})

test('F8: assistants whose messages do not get through keep no others waiting, neither by breaking nor by hanging', async () => {
  const sick = ['a1', 'a2', 'a3', 'a4', 'a5']
  const { control, url } = await startAll([...sick, 'well'])
  const say = (assistantId: string) =>
    post(url, { id: '1', text: 'hello' }, undefined, `vk-${assistantId}`).catch(() => {})
  for (const assistantId of sick) void say(assistantId)
  // Each breaks once, and after that nobody answers it.
  const broken = new Set<string>()
  while (broken.size < sick.length) {
    const call = await handedOver(control)
    if (!broken.has(call.open.assistantId)) call.break()
    broken.add(call.open.assistantId)
  }
  const posted = say('well')
  for (;;) {
    const call = await handedOver(control)
    if (call.open.assistantId !== 'well') continue
    call.stored()
    break
  }
  expect(await posted).toMatchObject({ status: 200 })
})

test('M11: what is on its way for a turn that is stopped is asked about once more, and told as refused', async () => {
  const { control, url, spooled } = await start()
  const { session } = await running(control)
  const file = randomBytes(700_000)
  const posting = post(url, { id: '1', text: 'a film', file: { name: 'film', bytes: file.length } }, file)
  const first = await handedOver(control)
  expect(first.open).toMatchObject({ turnId: 't1' })
  session.call.write({
    seq: 4n,
    ack: 0n,
    body: { $case: 'cancelTurn', cancelTurn: { turnId: 't1', forget: false } },
  })
  const again = await handedOver(control)
  expect(again.open.messageId).toBe(first.open.messageId)
  again.refuse('turn_stopped', 'They stopped it.')
  expect(await posting).toMatchObject({ status: 422, body: { error: { code: 'turn_stopped' } } })
  expect(await spooled()).toEqual([])
})
