import type { TurnEvent } from '@yourclaw/proto/host/v1'
import { pino } from 'pino'
import { expect, test } from 'vitest'
import type { FleetDeps } from './deps.ts'
import { relayTurn } from './relay.ts'
import type { Session } from './session.ts'

test('F8: of an answer to which an agent sees no end only so much is kept', async () => {
  const mebibyte = 'x'.repeat(2 ** 20)
  const said: TurnEvent['body'][] = [
    {
      $case: 'open',
      open: { turnId: 't', attempt: 1, sessionEpoch: 1n, needsInput: false, conversationExists: true },
    },
    ...Array.from({ length: 20 }, () => ({ $case: 'delta' as const, delta: { text: mebibyte } })),
    {
      $case: 'failed',
      failed: { cause: { code: 'turn_canceled', detail: '' }, retryable: false, partialText: '' },
    },
  ]
  const kept: string[] = []
  const deps = {
    ctx: { log: pino({ level: 'silent' }) },
    audience: { begin: () => undefined },
    conversation: {
      readTurnInput: async () => ({}),
      failTurn: async ({ input }: { input: { partialText: string } }) => {
        kept.push(input.partialText)
        return { retryAfterMs: null, attempt: 1, outcome: 'canceled' }
      },
    },
  } as unknown as FleetDeps
  let streamed = ''
  const turns = {
    open: () => ({ traceParent: null }),
    failed() {},
    broken() {},
    streamed(_: string, text: string) {
      streamed = text
    },
    partialOf: () => streamed,
  }
  const call = {
    async *[Symbol.asyncIterator]() {
      for (const [index, body] of said.entries()) yield { seq: BigInt(index + 1), body }
    },
    write: () => true,
  } as unknown as Parameters<typeof relayTurn>[1]
  await relayTurn(deps, call, { epoch: 1n, turns } as unknown as Session)
  expect(kept.map(({ length }) => length > 0 && length <= 2 ** 21)).toEqual([true])
})
