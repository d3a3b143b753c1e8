import { join } from 'node:path'
import { startBenchGateway } from '@yourclaw/host-agent/testing'

// The agent's model gateway with its ledger on the disk, as in production. DIR, PROVIDER and PORT say where.

const { DIR = '', PROVIDER = '', PORT = '' } = process.env
await startBenchGateway({
  folder: DIR,
  providerUrl: PROVIDER,
  portPath: join(DIR, 'port'),
  port: Number(PORT),
})
process.once('SIGTERM', () => process.exit(0))
