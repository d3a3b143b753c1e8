import { pino } from 'pino'
import { expect, test } from 'vitest'
import { everyone, type TurnAudience } from './audience.ts'

const log = pino({ level: 'silent' })
const turn = {
  turnId: 't',
  userId: 'u',
  channel: 'TELEGRAM',
  address: '1',
  replyTo: null,
} as const

function heard() {
  const said: string[] = []
  const audience: TurnAudience = {
    begin: () => ({
      text: (soFar) => void said.push(soFar),
      end: (outcome) => void said.push(outcome),
    }),
  }
  return { said, audience }
}

test('M11: one of an audience that fails or never comes back keeps nobody else from hearing', () => {
  const first = heard()
  const last = heard()
  const broken = (): never => {
    throw new Error('broken')
  }
  const all = everyone(
    [
      first.audience,
      { begin: broken },
      { begin: () => undefined },
      { begin: () => ({ text: broken, end: broken }) },
      { begin: () => ({ text: () => new Promise(() => {}) }) },
      { begin: () => ({ text: () => Promise.reject(new Error('broken')) }) },
      last.audience,
    ],
    log,
  )
  const listener = all.begin(turn)
  listener?.text?.('a')
  listener?.text?.('ab')
  listener?.end?.('answered')
  expect(first.said).toEqual(['a', 'ab', 'answered'])
  expect(last.said).toEqual(['a', 'ab', 'answered'])
})

test('M11: a slow one hears of the newest text when it is ready again, and of the end once', async () => {
  const said: string[] = []
  const gates: (() => void)[] = []
  const slow: TurnAudience = {
    begin: () => ({
      text(soFar) {
        said.push(soFar)
        return new Promise<void>((resolve) => gates.push(resolve))
      },
      end: (outcome) => void said.push(outcome),
    }),
  }
  const listener = everyone([slow], log).begin(turn)
  for (const text of ['a', 'ab', 'abc']) listener?.text?.(text)
  gates.shift()?.()
  await expect.poll(() => said).toEqual(['a', 'abc'])
  listener?.text?.('abcd')
  listener?.end?.('cut')
  expect(said).toEqual(['a', 'abc'])
  gates.shift()?.()
  await expect.poll(() => said).toEqual(['a', 'abc', 'cut'])
})

test('M11: the answer waits for what is on its way to the phone, but not for one that never comes back', async () => {
  const gate = Promise.withResolvers<void>()
  const one = everyone([{ begin: () => ({ settle: () => gate.promise }) }], log).begin(turn)
  let settled = false
  const settling = one?.settle?.().then(() => {
    settled = true
  })
  expect(settled).toBe(false)
  gate.resolve()
  await settling
  const never: TurnAudience[] = [
    { begin: () => ({ settle: () => new Promise(() => {}) }) },
    { begin: () => ({ settle: () => Promise.reject(new Error('broken')) }) },
    { begin: () => ({}) },
  ]
  await everyone(never, log).begin(turn)?.settle?.()
})
