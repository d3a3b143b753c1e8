import { stat } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { startAgent } from '../agent.ts'
import { startTestAgent } from '../testing/agent.ts'
import { spkiPin } from './keys.ts'

test('S5: an authority that is not the pinned one is refused, and nothing of it is kept', async () => {
  const { control, env, boot } = await startTestAgent({
    settings: { CONTROL_PLANE_CA_PIN: `sha256:${'0'.repeat(64)}` },
  })
  await expect(boot()).rejects.toMatchObject({ code: 'ca_pin_mismatch' })
  await expect(stat(`${env.STATE_DIR}/identity.json`)).rejects.toMatchObject({ code: 'ENOENT' })
})
