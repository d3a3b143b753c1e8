import type { Ctx } from '../../context.ts'
import { notFound } from '../../errors.ts'

/** Throws feature_off (404) where Google's services are not offered. */
export function requireGoogle({ settings }: Pick<Ctx, 'settings'>): void {
  if (!settings.googleIntegrations) throw notFound('Google’s services are not offered here.', 'feature_off')
}
