import { AgentMessage, Hello, HostServiceService, Phase, ServerMessage } from '@yourclaw/proto/host/v1'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { createAssistant } from '../services/assistant/create-assistant.ts'
import { createFleet, type Fleet, open, reader, vault } from './fixtures.ts'

let fleet: Fleet
beforeEach(async () => {
  fleet = await createFleet()
})
afterEach(() => fleet.close())

/** A body of a field number that nobody has given a meaning yet, after `message`'s own fields. */
const withUnknownBody = (message: Uint8Array) =>
  Buffer.concat([message, Buffer.from([0x9a, 0x06, 0x02, 0x08, 0x01])])

test('F11: a newer agent is served: what is not known of it is answered, not fatal', async () => {
  const client = fleet.connect(await fleet.enroll())
  const call = client.makeBidiStreamRequest(
    HostServiceService.session.path,
    (bytes: Buffer) => bytes,
    ServerMessage.decode,
  )
  const { next, message } = reader<ServerMessage>(call)
  const hello = Hello.create({
    agentVersion: '9.0.0',
    protocolVersions: [1, 2, 3],
    capabilities: ['telepathy'],
    runtime: 'holodeck',
  })
  const say = (seq: bigint, body: AgentMessage['body']) =>
    Buffer.from(AgentMessage.encode({ seq, ack: 0n, body }).finish())
  call.write(say(1n, { $case: 'hello', hello }))
  expect((await next('welcome')).welcome).toMatchObject({ protocolVersion: 1 })
  await next('snapshot')
  call.write(withUnknownBody(say(2n, undefined)))
  expect((await next('unsupported')).unsupported).toEqual({ seq: 2n })
  call.write(withUnknownBody(say(3n, { $case: 'heartbeat', heartbeat: { capacity: undefined } })))
  expect(await message()).toMatchObject({ ack: 3n, body: undefined })
  expect(await fleet.ctx.db.hostServer.findFirst()).toMatchObject({
    agentVersion: '9.0.0',
    runtime: 'holodeck',
  })
})

test('F11: a phase that is not known yet changes nothing, and the session goes on', async () => {
  const agent = open(fleet.connect(await fleet.enroll()))
  await agent.next('welcome')
  await agent.next('snapshot')
  const userId = await fleet.person()
  await createAssistant({ ctx: fleet.ctx, vault, input: { userId } })
  const assistantId = (await agent.next('delta')).delta.assistants[0]?.assistantId ?? ''
  const observed = { assistantId, generation: 1, cause: undefined, containerId: '', step: '' }
  agent.say({ $case: 'observed', observed: { ...observed, phase: 42 as Phase } })
  agent.say({ $case: 'observed', observed: { ...observed, assistantId: '; DROP', phase: Phase.PHASE_READY } })
  agent.say({ $case: 'heartbeat', heartbeat: { capacity: agent.capacity } })
  expect((await agent.message()).ack).toBe(4n)
  expect(await fleet.ctx.db.assistant.findUnique({ where: { userId } })).toMatchObject({
    status: 'PROVISIONING',
  })
})

test('F11: an agent that speaks no protocol of ours is told so by a code', async () => {
  const client = fleet.connect(await fleet.enroll())
  const call = client.session()
  const refused = new Promise<string>((resolve) =>
    call.on('error', (error: Error & { details: string }) => resolve(error.details)),
  )
  const hello = Hello.create({ protocolVersions: [2] })
  call.write({ seq: 1n, ack: 0n, body: { $case: 'hello', hello } })
  expect(await refused).toBe('protocol_version')
})
