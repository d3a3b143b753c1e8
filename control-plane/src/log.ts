import { withoutSecrets } from '@yourclaw/telemetry'
import { type DestinationStream, type Logger, type LoggerOptions, pino, stdSerializers } from 'pino'

const privateFields = ['token', 'key', 'secret', 'authorization', 'body', 'text', 'address', 'email']

/** The process's log. What it writes holds nothing private and nothing that opens something (S8). */
export function openLog(level: string, destination: DestinationStream): Logger {
  const options: LoggerOptions = {
    name: 'control-plane',
    level,
    redact: privateFields.map((field) => `*.${field}`),
    serializers: { err: errorLine },
    hooks: { streamWrite: withoutSecrets },
  }
  return pino(options, destination)
}

/** Of an error what it is and where; its other fields are rows, requests and answers. */
function errorLine(error: unknown): unknown {
  if (!(error instanceof Error)) return String(error)
  const { type, message, stack } = stdSerializers.err(error)
  return { type, message, stack, ...('code' in error && { code: String(error.code) }) }
}
