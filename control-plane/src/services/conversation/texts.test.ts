import { existsSync } from 'node:fs'
import path from 'node:path'
import { expect, test } from 'vitest'
import { pages, waitUntil } from './texts.ts'
import { whyFailed } from './why-failed.ts'

const routes = path.resolve(import.meta.dirname, '../../../../web/src/routes/(app)')

test('O3: what went wrong with a model is told apart by code, and each way out is a page of ours', () => {
  const web = 'https://web.test'
  const codes = [
    ...['out_of_credit', 'month_cap_reached', 'platform_paused', 'not_on_shared_key', 'no_provider_key'],
    ...['key_invalid', 'key_forbidden', 'out_of_quota', 'platform_key_refused', 'model_unavailable'],
    ...['rate_limited', 'shared_key_busy', 'provider_down', 'provider_unreachable', 'provider_stalled'],
    ...['too_many_calls', 'request_too_large'],
  ]
  const words = codes.map((code) => whyFailed(code, web))
  expect(new Set(words).size).toBe(codes.length)
  expect(words).not.toContain(whyFailed('nobody_knows', web))
  const links = words.flatMap((text) => text.match(/https:\/\/web\.test[\w/-]*/g) ?? [])
  expect(new Set(links)).toEqual(new Set([pages.model(web), pages.keys(web), pages.usage(web)]))
  for (const page of Object.values(pages).map((address) => address(web)))
    expect([page, existsSync(path.join(routes, page.slice(web.length), '+page.svelte'))]).toEqual([
      page,
      true,
    ])
})

test('a wait is told as people say it, and never too short', () => {
  const waits = [-5, 1, 40_000, 59_001, 61_000, 119 * 60_000, 119 * 60_001, 11.2 * 3_600_000]
  expect(waits.map((ms) => waitUntil(new Date(ms), 0))).toEqual([
    'in 1 second',
    'in 1 second',
    'in 40 seconds',
    'in 1 minute',
    'in 2 minutes',
    'in 119 minutes',
    'in 2 hours',
    'in 12 hours',
  ])
})
