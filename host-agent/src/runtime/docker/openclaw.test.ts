import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { TurnInput } from '@yourclaw/proto/host/v1'
import { startSandbox } from '@yourclaw/sandbox'
import { expect, onTestFinished, test } from 'vitest'
import { complete } from '../../relay/completions.ts'
import { sessionKey } from '../session-key.ts'
import { assistantImage, inside, lacksDocker, run, startDocker } from './testing.ts'

test.skipIf(await lacksDocker(assistantImage))(
  'F6, F9, M12, M13, S3, D1, D2: a real OpenClaw answers and sends files from its container, remembers over a change of model and of agent, and holds no provider key',
  {
    timeout: 180_000,
  },
  async () => {
    const sandbox = await startSandbox({ port: 0 })
    onTestFinished(() => sandbox.stop())
    const { dataDir, agent, newSpec } = await startDocker({
      modelUrl: `${sandbox.url}/anthropic`,
      image: assistantImage,
    })
    const script = (reply: string, more: object = {}) =>
      fetch(`${sandbox.url}/sim/models/script`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ reply, ...more }),
      })
    const lastRequest = async () =>
      (
        (await (await fetch(`${sandbox.url}/sim/models/requests`)).json()) as {
          model: string
          body: { messages: unknown[] }
        }[]
      ).at(-1)
    const first = await agent()
    const spec = newSpec()
    const { containerId, url } = await first.runtime.start(spec)
    const ask = async (message: string, gatewayToken = spec.gatewayToken) => {
      let said = ''
      await complete({
        target: { url, gatewayToken },
        sessionKey: sessionKey(spec.assistantId, 0),
        turn: TurnInput.create({ messages: [{ text: message }] }),
        signal: AbortSignal.timeout(30_000),
        onText: (piece) => {
          said += piece
        },
      })
      return said
    }
    const conversation = first.runtime.conversation(spec, 0)
    expect(await conversation.exists()).toBe(false)
    await script('Noted, Ada it is.')
    expect(await ask('my cat is called Ada')).toBe('Noted, Ada it is.')
    expect(await conversation.exists()).toBe(true)
    const mark = await conversation.end()

    // M13: another model, the same container, the same memory, and another agent meanwhile.
    await first.stop()
    const second = await agent()
    const changed = { ...spec, model: 'anthropic/claude-haiku-4-5-20251001', gatewayToken: 'gateway-token-2' }
    expect(await second.runtime.start(changed)).toEqual({ containerId, url })
    await script('Ada, as you said.')
    await expect(ask('hi')).rejects.toMatchObject({ code: 'gateway_error' })
    expect(await ask('what is my cat called', changed.gatewayToken)).toBe('Ada, as you said.')
    const last = await lastRequest()
    expect(last?.model).toBe('claude-haiku-4-5-20251001')
    expect(JSON.stringify(last)).toContain('my cat is called Ada')
    expect(await second.runtime.conversation(spec, 0).since(mark)).toEqual({
      state: 'answered',
      text: 'Ada, as you said.',
    })

    // M12: from behind its walls it sends a file of its workspace, which its host then has.
    const use = async (name: string, args: object) => {
      await script('Done.')
      await script('', { toolCalls: [{ name, arguments: args }], times: 1 })
      expect(await ask(`use ${name}`, changed.gatewayToken)).toBe('Done.')
      return JSON.stringify((await lastRequest())?.body.messages.slice(-2))
    }
    await inside(containerId, 'echo milk >/workspace/list.txt')
    await use('message', { action: 'send', message: 'The list', media: '/workspace/list.txt' })
    expect(second.speech.waiting()).toBe(1)
    const job = {
      name: 'water the plants',
      schedule: { kind: 'at', at: new Date(Date.now() + 86_400_000).toISOString() },
      payload: { kind: 'agentTurn', message: 'Remind them of the plants' },
    }
    await use('automations', { action: 'add', job })

    // S3: nowhere in its files, its image, its memory file systems or its processes. grep ends with 1 when it finds
    // nothing; the pattern does not match the grep that looks for it.
    await expect(run('grep', '-rqa', 'sk-canary', dataDir)).rejects.toMatchObject({ code: 1 })
    const places = "$(ls -d /* | grep -vE '^/(proc|sys)$')"
    const look = (pattern: string) =>
      inside(
        containerId,
        `grep -rla '${pattern}' ${places} 2>/dev/null; grep -la '${pattern}' /proc/[0-9]*/environ /proc/[0-9]*/cmdline 2>/dev/null`,
      )
    expect(await look('sk-canar[y]')).toBe('')
    // The probe sees what is there: its virtual key is in its config.
    expect(await look(`${spec.virtualKey.slice(0, -1)}[${spec.virtualKey.slice(-1)}]`)).toContain(
      'openclaw.json',
    )
    expect(await readFile(join(dataDir, spec.userId, 'gateway', 'openclaw.json'), 'utf8')).toContain(
      spec.virtualKey,
    )
    // D1, D2: archived while it serves, erased, and restored: a new container, the same memory.
    const archive = join(dataDir, 'archive.tar.gz')
    const { sha256 } = await second.runtime.archiveState(spec, archive)
    await script('Ada, as you said.')
    expect(await ask('still there', changed.gatewayToken)).toBe('Ada, as you said.')
    await second.runtime.erase(spec)
    await second.runtime.restoreState(spec, archive, sha256)
    const restarted = await second.runtime.start({ ...changed, restartCount: 1 })
    expect(restarted.containerId).not.toBe(containerId)
    expect(await ask('and again', changed.gatewayToken)).toBe('Ada, as you said.')
    expect(JSON.stringify(await lastRequest())).toContain('my cat is called Ada')
    expect(await use('automations', { action: 'list' })).toContain('water the plants')
  },
)
