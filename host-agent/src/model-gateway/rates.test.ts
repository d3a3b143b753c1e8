import { Provider } from '@yourclaw/proto/host/v1'
import { expect, onTestFinished, test } from 'vitest'
import { createRates } from './rates.ts'

const provider = Provider.PROVIDER_ANTHROPIC

function start(tokensPerMinute: number) {
  const rates = createRates(() => 0)
  onTestFinished(rates.close)
  rates.set([{ provider, tokensPerMinute }])
  const order: string[] = []
  const take = async (name: string, tokens: number, signal = new AbortController().signal) => {
    if (await rates.take(provider, name.slice(0, 1), tokens, signal)) order.push(name)
    else order.push(`${name} left`)
  }
  return { rates, order, take }
}

test('F8: those who wait for a shared key’s rate are served in turn, whoever came with a burst', async () => {
  const { rates, order, take } = start(100)
  const all = ['a1', 'a2', 'a3', 'b1', 'b2', 'c1'].map((name) => take(name, 60))
  await all[0]
  rates.set([{ provider, tokensPerMinute: 60 }])
  // Nobody is served while the clock stands still; without a rate, everybody is.
  expect(order).toEqual(['a1'])
  rates.set([])
  await Promise.all(all)
  expect(order).toHaveLength(6)
})

test('F8: fairness holds call by call', async () => {
  let nowMs = 0
  const rates = createRates(() => nowMs)
  onTestFinished(rates.close)
  rates.set([{ provider, tokensPerMinute: 60 }])
  const order: string[] = []
  const never = new AbortController().signal
  const all = ['a1', 'a2', 'a3', 'b1', 'b2', 'c1'].map((name) =>
    rates.take(provider, name.slice(0, 1), 60, never).then(() => order.push(name)),
  )
  for (let minute = 1; minute <= 6; minute += 1) {
    nowMs = minute * 60_000
    // Looking at the rate again serves whoever may go by now.
    rates.set([{ provider, tokensPerMinute: 60 }])
    await Promise.resolve()
  }
  await Promise.all(all)
  expect(order).toEqual(['a1', 'b1', 'c1', 'a2', 'b2', 'a3'])
})

test('F8: a caller that leaves gives up its place, and more than a minute’s worth goes when all is free', async () => {
  const { order, take, rates } = start(100)
  await take('a1', 500)
  const left = new AbortController()
  const waiting = take('b1', 10, left.signal)
  left.abort()
  await waiting
  expect(order).toEqual(['a1', 'b1 left'])
  expect(await rates.take(Provider.PROVIDER_OPENAI, 'x', 1_000_000, left.signal)).toBe(true)
})
