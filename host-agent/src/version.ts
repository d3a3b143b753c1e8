import { readFileSync } from 'node:fs'
import { z } from 'zod'

/** Of this agent; the package.json beside the sources is beside the bundle, too. */
export const agentVersion = z
  .object({ version: z.string() })
  .parse(JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'))).version
