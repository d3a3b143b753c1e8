import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Provider } from '@yourclaw/proto/host/v1'
import { tracingOff } from '@yourclaw/telemetry'
import { pino } from 'pino'
import { createMetering } from '../metering/metering.ts'
import { createKeyRing } from '../model-gateway/keys.ts'
import { startModelGateway } from '../model-gateway/server.ts'
import { createMetrics } from '../observability/metrics.ts'
import { createWatch } from '../observability/watch.ts'

/** A model gateway for benches: its virtual key is `vk`, and its allowance does not end. */
export async function startBenchGateway(input: {
  folder: string
  providerUrl: string
  portPath: string
  port: number
}): Promise<void> {
  const keys = createKeyRing()
  keys.setShared([{ provider: Provider.PROVIDER_ANTHROPIC, key: 'real' }])
  const metering = createMetering({ path: join(input.folder, 'usage.sqlite') })
  // An assistant has eight calls at once: a host with many has as many of them.
  for (let index = 0; index < 50; index += 1) {
    keys.setAssistant(`a${index}`, `vk${index}`, [])
    metering.ledger.allow(`a${index}`, 1_000_000_000_000, 0)
  }
  await writeFile(input.portPath, String(input.port))
  const url = input.providerUrl
  await startModelGateway({
    keys,
    metering,
    env: { ANTHROPIC_BASE_URL: url, OPENAI_BASE_URL: url, GEMINI_BASE_URL: url },
    watch: createWatch({ metrics: createMetrics(), tracing: tracingOff }),
    log: pino({ level: 'warn' }),
    portPath: input.portPath,
  })
}
