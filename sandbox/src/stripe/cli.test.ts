import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Sandbox, startSandbox } from '../index.ts'
import { stripeAt } from './testing.ts'

const shim = fileURLToPath(import.meta.resolve('@stripe/cli/bin/shim.js'))
let sandbox: Sandbox
let home: string
beforeAll(async () => {
  sandbox = await startSandbox({ port: 0 })
  home = await mkdtemp(join(tmpdir(), 'stripe-cli-'))
})
afterAll(async () => {
  await sandbox.stop()
  await rm(home, { recursive: true, force: true })
})

test.each([
  'checkout.session.completed',
  'customer.subscription.created',
  'customer.subscription.updated',
  'customer.subscription.deleted',
  'customer.subscription.paused',
  'customer.subscription.trial_will_end',
  'invoice.payment_succeeded',
  'invoice.payment_failed',
])('Stripe’s command line triggers %s', async (event) => {
  const parameters = ['trigger', '--api-base', sandbox.url, '--api-key', 'sk_test_1234567890', event]
  // It looks for new versions of itself on the way: nothing is to leave this machine.
  const HTTPS_PROXY = 'http://127.0.0.1:9'
  const env = { PATH: process.env.PATH, HOME: home, STRIPE_CLI_TELEMETRY_OPTOUT: '1', HTTPS_PROXY }
  const { stdout } = await promisify(execFile)(process.execPath, [shim, ...parameters], { env })
  expect(stdout).toContain('Trigger succeeded')
  const made = await stripeAt(sandbox.url).events.list({ type: event, limit: 1 })
  expect(made.data).toHaveLength(1)
})
