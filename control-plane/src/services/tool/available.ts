import type { Transaction } from '@yourclaw/db'
import type { Ctx } from '../../context.ts'
import { tools } from './catalogue.ts'
import type { Tool } from './tool.ts'

/** What a person agreed to at Google that still holds, by service. */
export interface Agreed {
  service: string
  scopes: string[]
}

export const holding = { lostAt: null, disconnectRequestedAt: null }

/** The tools that what a person agreed to allows. */
export const toolsOf = (agreed: readonly Agreed[]): Tool[] =>
  tools.filter(({ service, scope }) =>
    agreed.some((one) => one.service === service && one.scopes.includes(scope)),
  )

/** Names what `toolsOf` would say: a host hears of it, and looks again when it changes. Empty without tools. */
export const toolsVersion = (agreed: readonly Agreed[]): string =>
  toolsOf(agreed)
    .map(({ name }) => name)
    .sort()
    .join(',')

export async function availableTools(
  tx: Transaction,
  { settings }: Pick<Ctx, 'settings'>,
  userId: string,
): Promise<Tool[]> {
  if (!settings.googleIntegrations) return []
  return toolsOf(await tx.userIntegration.findMany({ where: { userId, ...holding } }))
}
