import type { StartTurn } from '@yourclaw/proto/host/v1'
import { pino } from 'pino'
import { expect, test } from 'vitest'
import { type ClaimedTurn, type FleetDeps, fleetTiming } from './deps.ts'
import { turnInputCapability } from './turn-input.ts'
import { sessionTurns } from './turns.ts'

const turn = (turnId: string): ClaimedTurn => ({
  turnId,
  assistantId: `assistant of ${turnId}`,
  userId: 'u',
  attempt: 1,
  conversation: 0,
  traceParent: null,
  receivedAt: new Date(),
})

/** Of a session whose turns stand in a list in place of the database. */
function setUp(capabilities: string[] = []) {
  const running: ClaimedTurn[] = []
  const stopping: string[] = []
  const ended: object[] = []
  const announced: string[] = []
  const inputs: StartTurn['input'][] = []
  const forgotten: string[] = []
  const limits: number[] = []
  const deps = {
    ctx: { clock: { now: Date.now }, log: pino({ level: 'silent' }) },
    conversation: {
      claimTurns: async ({ input }: { input: { limit: number } }) => {
        limits.push(input.limit)
        return { turns: [], passedOver: false }
      },
      adoptTurns: async () => running,
      runningTurns: async () => running.map(({ turnId }) => turnId),
      turnsToStop: async () => stopping,
      failTurn: async ({ input }: { input: object }) => {
        ended.push(input)
        return { retryAfterMs: null, attempt: 1, outcome: 'canceled' }
      },
    },
    onClaimed: (turns: ClaimedTurn[]) => turns,
    maxTurnsPerHost: 3,
    timing: fleetTiming,
  } as unknown as FleetDeps
  const send = async ({ turnId, input }: StartTurn) => {
    announced.push(turnId)
    inputs.push(input)
  }
  return {
    turns: sessionTurns(
      deps,
      { hostId: 'h', epoch: 1n, capabilities },
      send,
      async (turnId) => void forgotten.push(turnId),
    ),
    running,
    stopping,
    ended,
    forgotten,
    announced,
    inputs,
    limits,
  }
}

test('M1: a turn whose claim was committed and not heard of is taken up by the second sweep that sees it', async () => {
  const { turns, running, announced } = setUp()
  running.push(turn('stray'))
  await turns.sweep()
  expect(announced).toEqual([])
  await turns.sweep()
  await turns.sweep()
  expect(announced).toEqual(['stray'])
  turns.close()
})

test('M1: whenever a wake-up comes while a look for turns ends, another look begins', async () => {
  for (let ticks = 0; ticks < 12; ticks++) {
    const { turns, limits } = setUp()
    const first = turns.pump()
    for (let tick = 0; tick < ticks; tick++) await undefined
    const before = limits.length
    await turns.pump()
    expect(limits.length, `after ${ticks} ticks`).toBeGreaterThan(before)
    await first
    turns.close()
  }
})

test('places that are kept for others are not claimed, and come back with what was taken', async () => {
  const { turns, announced, limits } = setUp()
  const kept = turns.reserve(2)
  expect(kept.places).toBe(2)
  expect(turns.reserve(2).places).toBe(1)
  await turns.pump()
  expect(limits).toEqual([])
  kept.take([turn('claimed')])
  await expect.poll(() => announced).toEqual(['claimed'])
  await turns.pump()
  expect(limits).toEqual([1])
  turns.close()
})

test('M11: a stop between two attempts keeps what had been streamed; so does the end of the session', async () => {
  const { turns, stopping, ended, announced } = setUp()
  turns.reserve(3).take([turn('stopped'), turn('left'), { ...turn('taken over'), partialText: 'before' }])
  await expect.poll(() => announced).toHaveLength(3)
  for (const turnId of ['stopped', 'left', 'taken over']) {
    turns.open(turnId, 1)
    turns.streamed(turnId, turnId === 'taken over' ? '' : `half of ${turnId}`)
  }
  turns.failed('stopped', { retryAfterMs: 60_000, attempt: 2 })
  stopping.push('stopped')
  await turns.stop()
  expect(ended).toMatchObject([{ turnId: 'stopped', code: 'turn_canceled', partialText: 'half of stopped' }])
  expect(turns.close()).toEqual([
    { turnId: 'left', text: 'half of left' },
    { turnId: 'taken over', text: 'before' },
  ])
})

test('M11: a stop that comes while its turn is being claimed elsewhere reaches it', async () => {
  const { turns, stopping, forgotten, announced } = setUp()
  const kept = turns.reserve(1)
  stopping.push('wanted no more')
  await turns.stop()
  expect(forgotten).toEqual([])
  kept.take([turn('wanted no more')])
  await expect.poll(() => forgotten).toEqual(['wanted no more'])
  expect(announced).toEqual(['wanted no more'])
  turns.close()
})

test('M11: a turn that was ended elsewhere is let go of by the second sweep that sees it', async () => {
  const { turns, running, forgotten, announced } = setUp()
  turns.reserve(2).take([turn('runs'), turn('over')])
  running.push(turn('runs'))
  await expect.poll(() => announced).toHaveLength(2)
  await turns.sweep()
  expect(forgotten).toEqual([])
  await turns.sweep()
  await turns.sweep()
  expect(forgotten).toEqual(['over'])
  expect(() => turns.open('over', 1)).toThrow()
  turns.open('runs', 1)
  turns.close()
})

test('M1: the session that carried a turn to its end looks for the next one, once, and nobody has to tell it', async () => {
  const { turns, limits } = setUp()
  turns.reserve(1).take([turn('first')])
  turns.open('first', 1)
  turns.finished('first')
  turns.broken('first')
  await expect.poll(() => limits).toEqual([3])
  turns.close()
})

/** As it comes with its claim. */
const claimed = (turnId: string, text: string): ClaimedTurn => ({
  ...turn(turnId),
  input: {
    messages: [{ text, at: 5 }],
    history: [],
    userId: 'u',
    channel: 'WEB',
    address: 'u',
    replyTo: null,
    hasMore: false,
  },
})

test('M15: a turn’s input travels with the first word of its claim and with no later one', async () => {
  const { turns, announced, inputs } = setUp([turnInputCapability])
  turns.reserve(1).take([claimed('t', 'hi')])
  await expect.poll(() => announced).toEqual(['t'])
  expect(inputs).toMatchObject([{ messages: [{ text: 'hi', atUnixMs: 5n }], history: [] }])
  turns.open('t', 1)
  turns.failed('t', { retryAfterMs: 1, attempt: 2 })
  await expect.poll(() => announced).toEqual(['t', 't'])
  expect(inputs[1]).toBeUndefined()
  turns.close()
})

test('F8, F11: what is large, or for an agent that cannot take it so, waits for the turn’s own stream', async () => {
  const able = setUp([turnInputCapability])
  able.turns.reserve(1).take([claimed('large', 'x'.repeat(20_000))])
  const older = setUp()
  older.turns.reserve(1).take([claimed('small', 'hi')])
  await expect.poll(() => [...able.announced, ...older.announced]).toEqual(['large', 'small'])
  expect([...able.inputs, ...older.inputs]).toEqual([undefined, undefined])
  able.turns.close()
  older.turns.close()
})
