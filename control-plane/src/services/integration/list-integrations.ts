import type { Ctx } from '../../context.ts'
import { type GoogleService, googleServices, serviceNames } from './google-services.ts'

export interface IntegrationView {
  service: GoogleService
  name: string
  /** LOST: Google does not accept the connection any more. DISCONNECTING: Google has still to confirm the end. */
  state: 'OFF' | 'CONNECTED' | 'LOST' | 'DISCONNECTING'
  /** Whose account it is at Google. */
  account?: string
  connectedAt?: string
  /** Of what the service needs: what the person did not agree to. */
  missingScopes: string[]
}

/** What the person connected, without any token (S7). */
export async function listIntegrations({
  ctx,
  input,
}: {
  ctx: Ctx
  input: { userId: string }
}): Promise<{ available: boolean; services: IntegrationView[] }> {
  const { googleIntegrations: available } = ctx.settings
  const rows = await ctx.db.userIntegration.findMany({
    where: input,
    select: {
      service: true,
      scopes: true,
      accountEmail: true,
      lostAt: true,
      disconnectRequestedAt: true,
      createdAt: true,
    },
  })
  const services = serviceNames.map((service): IntegrationView => {
    const { name, scopes } = googleServices[service]
    const row = rows.find((candidate) => candidate.service === service)
    if (!row) return { service, name, state: 'OFF', missingScopes: [] }
    return {
      service,
      name,
      state: row.disconnectRequestedAt ? 'DISCONNECTING' : row.lostAt ? 'LOST' : 'CONNECTED',
      account: row.accountEmail,
      connectedAt: row.createdAt.toISOString(),
      missingScopes: scopes.filter((scope) => !row.scopes.includes(scope)),
    }
  })
  // What is connected can be disconnected whatever is offered by now.
  return { available, services: services.filter(({ state }) => available || state !== 'OFF') }
}
