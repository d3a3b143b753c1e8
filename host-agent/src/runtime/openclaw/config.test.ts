import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, onTestFinished, test } from 'vitest'
import { ensureOpenclaw } from '../../../openclaw/install.ts'
import { plugins } from '../../plugins.ts'
import { spec } from '../../testing/agent.ts'
import { renderConfig, writeConfig } from './config.ts'

test('F5, S9: the pinned OpenClaw takes the config as it is rendered, and refuses one with a field it does not know', {
  timeout: 180_000,
}, async () => {
  const entry = await ensureOpenclaw()
  const home = await mkdtemp(join(tmpdir(), 'config-'))
  onTestFinished(() => rm(home, { recursive: true, force: true }))
  const path = join(home, 'openclaw.json')
  const reach = {
    port: 18789,
    bind: 'lan',
    modelGatewayUrl: 'http://127.0.0.1:9',
    browser: true,
    channelPlugin: plugins.channel,
    webSearchPlugin: plugins.webSearch,
  } as const
  const config = renderConfig(
    spec({ model: 'anthropic/claude-sonnet-4-5-20250929' }),
    { home, workspace: join(home, 'workspace') },
    reach,
  )
  const validate = async (rendered: object) => {
    await writeConfig(path, rendered)
    const env = { PATH: process.env.PATH, HOME: home, OPENCLAW_CONFIG_PATH: path, OPENCLAW_NO_RESPAWN: '1' }
    const { stdout } = await promisify(execFile)(process.execPath, [entry, 'config', 'validate', '--json'], {
      env,
    })
    return JSON.parse(stdout) as { valid: boolean }
  }
  expect(await validate(config)).toMatchObject({ valid: true })
  await expect(validate({ ...config, surprise: true })).rejects.toMatchObject({ code: 1 })
})
