import { type Collector, startCollector } from '@yourclaw/telemetry/testing'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import type { Person } from './people.ts'
import { type System, startTestSystem } from './system.ts'

let collector: Collector
let system: System
let ada: Person
let ben: Person
let figures: () => Promise<{ controlPlane: string; agent: string }>

beforeAll(async () => {
  collector = await startCollector()
  const traces = { OTEL_EXPORTER_OTLP_ENDPOINT: collector.url }
  system = await startTestSystem({ ...traces, METRICS_PORT: '0' })
  const [first, second] = system.people
  if (!first || !second) throw new Error('the sandbox has no people')
  ada = first
  ben = second
  const agent = await system.startHost('fake', { settings: { ...traces, AGENT_METRICS_PORT: '0' } })
  const scrape = async (port: number | undefined) => (await fetch(`http://127.0.0.1:${port}/metrics`)).text()
  figures = async () => ({
    controlPlane: await scrape(system.controlPlane.metricsPort),
    agent: await scrape(agent.metricsPort),
  })
}, 60_000)
afterAll(async () => {
  await system.stop()
  await collector.stop()
}, 30_000)

const eventually = (check: () => Promise<void>) => vi.waitFor(check, { timeout: 20_000, interval: 50 })
const traceId = '4bf92f3577b34da6a3ce929d0e0e4736'
const callerSpanId = '00f067aa0ba902b7'

function webhook(person: Person, updateId: number, text: string): Promise<Response> {
  const chat = { id: person.telegramUserId, type: 'private' }
  return fetch(`${system.apiUrl}/api/v1/webhooks/telegram`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      'x-telegram-bot-api-secret-token': 'development-secret',
      traceparent: `00-${traceId}-${callerSpanId}-01`,
    },
    body: JSON.stringify({ update_id: updateId, message: { message_id: 1, date: 0, chat, text } }),
  })
}

test('O1: the spans of one message, from both processes, are one trace', async () => {
  await webhook(ada, 900_001, 'trace this secret')
  await eventually(async () => expect(await system.heard(ada)).toContain('trace this secret'))
  const ofTrace = () => collector.spans.filter((span) => span.traceId === traceId)
  const route = 'POST /api/v1/webhooks/telegram'
  const expected = {
    'turn waits': { service: 'yourclaw-control-plane', parent: route },
    turn: { service: 'yourclaw-control-plane', parent: route },
    'run turn': { service: 'yourclaw-host-agent', parent: 'turn' },
    'model call': { service: 'yourclaw-host-agent', parent: 'run turn' },
    'store reply': { service: 'yourclaw-control-plane', parent: 'turn' },
    deliver: { service: 'yourclaw-control-plane', parent: route },
  }
  await eventually(async () => {
    const names = ofTrace().map(({ name }) => name)
    expect(names.toSorted()).toEqual([route, ...Object.keys(expected)].toSorted())
  })
  const byName = new Map(ofTrace().map((span) => [span.name, span]))
  expect(byName.get(route)).toMatchObject({ parentSpanId: callerSpanId, service: 'yourclaw-control-plane' })
  for (const [name, { service, parent }] of Object.entries(expected)) {
    const parentSpanId = byName.get(parent)?.spanId
    expect(byName.get(name), name).toMatchObject({ service, parentSpanId })
  }
})

test('O2: every stage of a turn, its delivery and its model call are counted on the way', async () => {
  await eventually(async () => {
    const { controlPlane, agent } = await figures()
    const stages = [
      'received_to_claimed',
      'claimed_to_first_token',
      'first_token_to_answered',
      'answered_to_delivered',
      'received_to_delivered',
    ]
    for (const stage of stages)
      expect(controlPlane).toContain(`yourclaw_turn_stage_seconds_count{stage="${stage}"} 1`)
    expect(controlPlane).toContain('yourclaw_turns_total{outcome="answered"} 1')
    expect(controlPlane).toMatch(/yourclaw_deliveries_total\{channel="TELEGRAM",outcome="sent"\} \d/)
    expect(controlPlane).toContain('yourclaw_host_connected{host="host-1"} 1')
    expect(agent).toContain('yourclaw_agent_turn_seconds_count{outcome="answered"} 1')
    expect(agent).toContain('yourclaw_agent_model_call_seconds_count{provider="anthropic",status="200"} 1')
    expect(agent).toContain('yourclaw_agent_link_up 1')
    expect(agent).toMatch(/yourclaw_agent_assistants\{phase="ready"\} [1-9]/)
    expect(agent).toContain('yourclaw_agent_held_turns 0')
  })
})

test('O2: a turn that fails is counted with its cause', async () => {
  await system.sandbox('/sim/models/script', { match: 'break', error: 'overloaded' })
  await webhook(ben, 900_002, 'break please')
  await eventually(async () => {
    const { controlPlane, agent } = await figures()
    expect(controlPlane).toMatch(/yourclaw_turn_attempts_failed_total\{code="provider_down"\} [1-9]/)
    expect(agent).toMatch(/yourclaw_agent_turn_seconds_count\{outcome="provider_down"\} [1-9]/)
  })
})

test('S8: spans and figures hold no text, address, name or key', async () => {
  const { controlPlane, agent } = await figures()
  const everything = [JSON.stringify(collector.spans), controlPlane, agent].join('\n')
  const secrets = ['trace this', 'break please', 'development-secret', 'sk-ant-development', ada.bearer]
  // The chat's id is short: bare, it also stands in random ids.
  const chat = [`"${ada.telegramUserId}"`, `:${ada.telegramUserId}`]
  for (const secret of [...secrets, ...chat, ada.userId, '@example']) {
    expect(everything).not.toContain(secret)
  }
})
