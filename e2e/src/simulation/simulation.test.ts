import { expect, test } from 'vitest'
import { simulate } from './simulation.ts'

/** SEED=… repeats one life with a full log; RUNS=… tries more of them. */
const seeds = process.env.SEED
  ? [Number(process.env.SEED)]
  : Array.from({ length: Number(process.env.RUNS ?? 300) }, (_, index) => index + 1)

test('F1, F3, F4: whatever is lost, repeated, reordered, cut or killed, desired and observed become one', async () => {
  for (const seed of seeds) await simulate(seed)
  expect(seeds.length).toBeGreaterThan(0)
}, 120_000)
