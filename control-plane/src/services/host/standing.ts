import type { Ctx } from '../../context.ts'

/** What a session must know again whenever something about its host may have changed. */
export interface HostStanding {
  /** Of the host's newest session; undefined when it never had one. */
  epoch: bigint | undefined
  /** False once the host or this certificate was revoked, or the certificate ran out. */
  isTrusted: boolean
  /** An operator gave the word that whatever runs there and is not placed there may be ended. */
  removeOrphans: boolean
}

/** How a host stands that shows the certificate `serial`. */
export async function readStanding({
  ctx,
  input,
}: {
  ctx: Ctx
  input: { hostId: string; serial: string }
}): Promise<HostStanding> {
  const now = new Date(ctx.clock.now())
  const [row] = await ctx.db.$queryRaw<HostStanding[]>`
    SELECT s.epoch, h.state::text <> 'REVOKED' AND c.revoked_at IS NULL AND c.not_after > ${now} AS "isTrusted",
      coalesce(h.orphan_removal_until > ${now}, false) AS "removeOrphans"
    FROM host_certificates c JOIN host_servers h ON h.id = c.host_id LEFT JOIN host_sessions s ON s.host_id = h.id
    WHERE c.serial = ${input.serial.toLowerCase()} AND h.id = ${input.hostId}::uuid`
  return row ?? { epoch: undefined, isTrusted: false, removeOrphans: false }
}
