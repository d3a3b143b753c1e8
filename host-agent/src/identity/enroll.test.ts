import { stat } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { startTestAgent } from '../testing/agent.ts'

test('S5: an authority that is not the pinned one is refused, and nothing of it is kept', async () => {
  const CONTROL_PLANE_CA_PIN = `sha256:${'0'.repeat(64)}`
  const { control, env, boot } = await startTestAgent({ settings: { CONTROL_PLANE_CA_PIN } })
  await expect(boot()).rejects.toMatchObject({ code: 'ca_pin_mismatch' })
  // So that a control plane with another authority can refuse before it takes the token.
  expect(control.enrollments).toMatchObject([{ token: 'join', caPin: CONTROL_PLANE_CA_PIN }])
  await expect(stat(`${env.STATE_DIR}/identity.json`)).rejects.toMatchObject({ code: 'ENOENT' })
})
