import type { Transaction } from '@yourclaw/db'
import type Stripe from 'stripe'
import { z } from 'zod'
import type { Ctx } from '../../context.ts'
import type { Vault } from '../../lib/vault.ts'

/** What the verbs of subscriptions need beside Ctx. */
export interface BillingCtx extends Ctx {
  stripe: Stripe
  /** The monthly price that checkout sells. */
  priceId: string
  /** Seals the secrets of an assistant that a payment starts. */
  vault: Vault
  billingJobs: BillingJobs
}

/** Work that is done soon, at least once, within the caller's transaction or not at all. */
export interface BillingJobs {
  enqueue(tx: Transaction, jobs: readonly BillingJob[]): Promise<void>
}

/** An event to be applied, or a person to be compared with Stripe. */
export const billingJobSchema = z.union([z.object({ eventId: z.string() }), z.object({ userId: z.uuid() })])
export type BillingJob = z.infer<typeof billingJobSchema>
