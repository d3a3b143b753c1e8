import type { Subscription } from '#lib/server/api/views.ts'

/** The badge: one of five standings, each in words. */
export function standing({
  status,
  isTrial,
  cancelAtPeriodEnd,
}: Pick<Subscription, 'status' | 'isTrial' | 'cancelAtPeriodEnd'>): {
  label: string
  tone: 'good' | 'note' | 'warn' | 'bad'
} {
  if (status === 'CANCELED' || status === 'NONE') return { label: 'Canceled', tone: 'bad' }
  if (status === 'PAST_DUE') return { label: 'Past due', tone: 'warn' }
  if (cancelAtPeriodEnd) return { label: 'Canceling', tone: 'warn' }
  return isTrial ? { label: 'Free trial', tone: 'note' } : { label: 'Active', tone: 'good' }
}
