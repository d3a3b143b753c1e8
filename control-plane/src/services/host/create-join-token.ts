import { createHash, randomBytes } from 'node:crypto'
import type { Ctx } from '../../context.ts'
import { invalidInput } from '../../errors.ts'
import { requireHostName } from './host-name.ts'

export const maxJoinTokenTtlMs = 60 * 60_000

export const hashJoinToken = (token: string) => createHash('sha256').update(token).digest('hex')

export interface CreateJoinTokenInput {
  /** Who made it, e.g. "operator:<email>"; for the audit. */
  createdBy: string
  /** Good for this host name only, which may then exist already; absent = any new name. */
  hostName?: string
  /** At most an hour, which is also the default. */
  ttlMs?: number
}

/** Makes a single-use token that lets one host enroll. It is shown once: only its SHA-256 is stored. */
export async function createJoinToken({ ctx, input }: { ctx: Ctx; input: CreateJoinTokenInput }) {
  const ttlMs = input.ttlMs ?? maxJoinTokenTtlMs
  if (!(ttlMs > 0 && ttlMs <= maxJoinTokenTtlMs)) throw invalidInput('A join token lives at most one hour.')
  if (input.hostName !== undefined) requireHostName(input.hostName)
  const token = randomBytes(32).toString('base64url')
  const expiresAt = new Date(ctx.clock.now() + ttlMs)
  await ctx.db.$transaction([
    ctx.db.joinToken.create({
      data: {
        tokenHash: hashJoinToken(token),
        hostName: input.hostName ?? null,
        expiresAt,
        createdBy: input.createdBy,
      },
    }),
    ctx.db.auditEvent.create({
      data: {
        actor: input.createdBy,
        action: 'join_token.created',
        subject: `host:${input.hostName ?? '*'}`,
      },
    }),
  ])
  return { token, expiresAt }
}
