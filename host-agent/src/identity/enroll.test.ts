import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { stat } from 'node:fs/promises'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { startTestAgent } from '../testing/agent.ts'

const main = fileURLToPath(new URL('../main.ts', import.meta.url))

test('S5: an authority that is not the pinned one is refused, and nothing of it is kept', async () => {
  const CONTROL_PLANE_CA_PIN = `sha256:${'0'.repeat(64)}`
  const { control, env, boot } = await startTestAgent({ settings: { CONTROL_PLANE_CA_PIN } })
  await expect(boot()).rejects.toMatchObject({ code: 'ca_pin_mismatch' })
  // So that a control plane with another authority can refuse before it takes the token.
  expect(control.enrollments).toMatchObject([{ token: 'join', caPin: CONTROL_PLANE_CA_PIN }])
  await expect(stat(`${env.STATE_DIR}/identity.json`)).rejects.toMatchObject({ code: 'ENOENT' })
})

test('S6: without a token, with an unreadable or a refused one, the agent says so in one line and ends', async () => {
  const { env } = await startTestAgent()
  const end = async (more: Record<string, string>) => {
    const settings = Object.entries({ ...env, JOIN_TOKEN: '', ...more }).map(([name, value]) => [
      name,
      String(value),
    ])
    const child = spawn(process.execPath, [main], {
      env: Object.fromEntries(settings),
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    const [said, [code]] = await Promise.all([text(child.stderr), once(child, 'exit')])
    return [code, said]
  }
  const ends = [end({}), end({ JOIN_TOKEN_FILE: '/nowhere/token' }), end({ JOIN_TOKEN: 'used' })]
  expect(await Promise.all(ends)).toEqual([
    [
      78,
      'not_enrolled: This host has no valid certificate and no join token: set JOIN_TOKEN or JOIN_TOKEN_FILE.\n',
    ],
    [78, 'join_token_unreadable: /nowhere/token cannot be read.\n'],
    [78, 'invalid_join_token: That join token is not valid.\n'],
  ])
})
