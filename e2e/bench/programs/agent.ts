import { type Runtime, readEnv, startAgent } from '@yourclaw/host-agent/testing'
import { logLines } from '@yourclaw/telemetry'
import { pino } from 'pino'
import { monotonicMs } from '../figures.ts'

// The host agent as it is, except that GATEWAY_URL, when set, is where every assistant answers, and that its log tells
// the time to the microsecond, on the clock that all processes of the machine share.

const url = process.env.GATEWAY_URL
const runtime: Runtime = {
  name: 'fake',
  start: async ({ assistantId }) => ({ containerId: assistantId, url: url ?? '' }),
  apply: async () => {},
  stop: async () => {},
  erase: async () => {},
  conversation: () => ({
    exists: async () => true,
    end: async () => '0',
    since: async () => ({ state: 'absent' }),
  }),
  placeFile: async () => {},
  archiveState: async () => ({ bytes: 0, sha256: '' }),
  diskUsed: async () => 0,
  restoreState: async () => {},
  leftRunning: async () => [],
  onExit: () => {},
  close: async () => {},
}

const log = pino({ timestamp: () => `,"time":${monotonicMs()}` }, pino.destination(logLines('info')))
const agent = await startAgent(readEnv(process.env), { log, ...(url !== undefined && { runtime }) })
process.once('SIGTERM', () => void agent.stop(2_000).then(() => process.exit(0)))
