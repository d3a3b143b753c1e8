import { pino } from 'pino'
import { expect, test } from 'vitest'
import { type ClaimedTurn, type FleetDeps, fleetTiming } from './deps.ts'
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
function setUp() {
  const running: ClaimedTurn[] = []
  const announced: string[] = []
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
      turnsToStop: async () => [],
    },
    onClaimed: (turns: ClaimedTurn[]) => turns,
    maxTurnsPerHost: 3,
    timing: fleetTiming,
  } as unknown as FleetDeps
  const send = async ({ turnId }: { turnId: string }) => void announced.push(turnId)
  return {
    turns: sessionTurns(deps, { hostId: 'h', epoch: 1n }, send, async () => {}),
    running,
    announced,
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
