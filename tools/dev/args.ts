import { resolve } from 'node:path'
import { parseArgs } from 'node:util'

const runtimes = ['fake', 'process', 'docker'] as const
export type Runtime = (typeof runtimes)[number]

export interface DevArgs {
  runtime: Runtime
  /** First of five ports in a row; undefined = the default ports. */
  portBase: number | undefined
  /** Absolute. */
  dataDir: string
}

export const usage =
  'npm run dev -- [--runtime fake|process|docker] [--port-base N] [--data DIR]   (all of them optional)'

/** Throws an Error with a sentence for the person at the keyboard. */
export function parseDevArgs(argv: string[], cwd: string): DevArgs {
  const { values } = parseArgs({
    args: argv,
    options: {
      runtime: { type: 'string', default: 'fake' },
      'port-base': { type: 'string' },
      data: { type: 'string', default: '.data' },
    },
  })
  const runtime = runtimes.find((name) => name === values.runtime)
  if (runtime === undefined)
    throw new Error(`--runtime is one of ${runtimes.join(', ')}, not ${values.runtime}`)
  return { runtime, portBase: parsePortBase(values['port-base']), dataDir: resolve(cwd, values.data) }
}

function parsePortBase(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const base = Number(text)
  // Five ports in a row must exist, and those below 1024 need a privileged user.
  if (!Number.isInteger(base) || base < 1024 || base > 65_531) {
    throw new Error(`--port-base is a number from 1024 to 65531, not ${text}`)
  }
  return base
}
