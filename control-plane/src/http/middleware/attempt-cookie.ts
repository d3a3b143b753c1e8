import type { Context } from 'hono'
import { z } from 'zod'
import type { Clock } from '../../context.ts'
import type { Attempt } from '../../lib/google-flow.ts'
import type { Vault } from '../../lib/vault.ts'
import { ownCookie } from './session.ts'

/** As long as a person may take at Google. */
const attemptSeconds = 600

const schema = z.object({
  state: z.string(),
  nonce: z.string(),
  codeVerifier: z.string(),
  /** What it was begun for. */
  subject: z.string(),
  expiresAtMs: z.number(),
}) satisfies z.ZodType<Attempt>

/** What goes to Google with a person comes back with the same browser, sealed, once and within ten minutes. */
export function attemptCookie(
  name: string,
  { webUrl, vault, clock }: { webUrl: string; vault: Vault; clock: Clock },
) {
  const cookie = ownCookie(name, webUrl)
  return {
    async keep(c: Context, attempt: Attempt, subject: string): Promise<void> {
      const kept = { ...attempt, subject, expiresAtMs: clock.now() + attemptSeconds * 1000 }
      cookie.write(c, await vault.seal(JSON.stringify(kept)), attemptSeconds)
    },
    /** Undefined when it is over, forged, or began in another browser. */
    async take(c: Context): Promise<(Attempt & { subject: string }) | undefined> {
      const sealed = cookie.read(c)
      cookie.clear(c)
      const opened = sealed === undefined ? 'null' : await vault.open(sealed).catch(() => 'null')
      const kept = schema.safeParse(JSON.parse(opened)).data
      return kept !== undefined && kept.expiresAtMs > clock.now() ? kept : undefined
    },
  }
}
