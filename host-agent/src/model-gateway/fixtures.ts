import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { Provider } from '@yourclaw/proto/host/v1'
import { startSandbox } from '@yourclaw/sandbox'
import { tracingOff } from '@yourclaw/telemetry'
import { pino } from 'pino'
import { onTestFinished } from 'vitest'
import { createMetering } from '../metering/metering.ts'
import { createMetrics } from '../observability/metrics.ts'
import { createWatch } from '../observability/watch.ts'
import { createKeyRing } from './keys.ts'
import { startModelGateway } from './server.ts'
import type { Patience } from './upstream.ts'

const [anthropic, openai, google, brave] = [
  Provider.PROVIDER_ANTHROPIC,
  Provider.PROVIDER_OPENAI,
  Provider.PROVIDER_GOOGLE,
  Provider.PROVIDER_BRAVE,
] as const

type Handler = (request: IncomingMessage, response: ServerResponse, body: string) => void

/** For tests: a gateway before a provider of the test's own, or before the sandbox; `vk` calls with the shared keys. */
export async function startMetered(handler?: Handler, patience: Partial<Patience> = {}) {
  let base: string
  if (handler) {
    const provider = createServer(async (request, response) => {
      handler(request, response, await text(request).catch(() => ''))
    })
    await new Promise<void>((resolve) => provider.listen(0, '127.0.0.1', resolve))
    base = `http://127.0.0.1:${(provider.address() as AddressInfo).port}`
    onTestFinished(() => {
      provider.closeAllConnections()
      provider.close()
    })
  } else {
    const sandbox = await startSandbox({ port: 0 })
    base = sandbox.url
    onTestFinished(() => sandbox.stop())
  }
  const keys = createKeyRing()
  keys.setShared([anthropic, openai, google, brave].map((provider) => ({ provider, key: `sk-${provider}` })))
  keys.setAssistant('a', 'vk', [])
  keys.setAssistant('b', 'vk-own', [{ provider: openai, key: 'own-o' }])
  const metering = createMetering({ path: ':memory:' })
  const gateway = await startModelGateway({
    keys,
    metering,
    patience,
    env: {
      ANTHROPIC_BASE_URL: `${base}/anthropic`,
      OPENAI_BASE_URL: `${base}/openai`,
      GEMINI_BASE_URL: `${base}/gemini`,
      BRAVE_BASE_URL: `${base}/brave`,
    },
    watch: createWatch({ metrics: createMetrics(), tracing: tracingOff }),
    log: pino({ level: 'silent' }),
  })
  onTestFinished(async () => {
    await gateway.close()
    metering.close()
  })
  const post = (path: string, body: unknown, key = 'vk', signal?: AbortSignal) =>
    fetch(gateway.url + path, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${key}`,
        'anthropic-version': '2023-06-01',
        'content-type': 'application/json',
      },
      body: typeof body === 'string' ? body : JSON.stringify(body),
      ...(signal && { signal }),
    })
  const counts = () =>
    metering.ledger.unstored().map((count) => ({
      model: count.model,
      own: count.ownKey,
      estimated: count.estimated,
      calls: count.calls,
      input: Number(count.inputTokens),
      cached: Number(count.cachedTokens),
      output: Number(count.outputTokens),
      reasoning: Number(count.reasoningTokens),
      cost: Number(count.costMicros),
    }))
  return { base, gateway, url: gateway.url, post, counts, metering, keys }
}
