import type { HostServer, Transaction } from '@yourclaw/db'
import { type Ctx, inTransaction, nudge } from '../../context.ts'
import { conflict, notFound } from '../../errors.ts'

export interface HostInput {
  /** The host's name. */
  name: string
  /** Who does it: "operator:<email>"; for the audit. */
  actor: string
}

/**
 * One operator's change to one host, with its audit event, in one transaction; the host's session hears of it at once.
 * Errors: unknown_host (404), host_revoked (409): a revoked host stays so.
 */
export function changeHost(
  ctx: Ctx,
  { name, actor }: HostInput,
  action: string,
  work: (tx: Transaction, host: HostServer) => Promise<unknown>,
): Promise<void> {
  return inTransaction(ctx, async (tx) => {
    await tx.$queryRaw`SELECT 1 FROM host_servers WHERE name = ${name} FOR NO KEY UPDATE`
    const host = await tx.hostServer.findUnique({ where: { name } })
    if (!host) throw notFound('There is no host of that name.', 'unknown_host')
    if (host.state === 'REVOKED') throw conflict('That host was revoked.', 'host_revoked')
    await work(tx, host)
    await tx.auditEvent.create({ data: { actor, action, subject: `host:${host.id}`, data: { name } } })
    nudge(tx, 'changes', host.id)
  })
}
