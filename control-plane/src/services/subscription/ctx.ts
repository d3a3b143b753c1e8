import type Stripe from 'stripe'
import type { Ctx } from '../../context.ts'
import type { Vault } from '../../lib/vault.ts'

/** What the verbs of subscriptions need beside Ctx. */
export interface BillingCtx extends Ctx {
  stripe: Stripe
  /** The monthly price that checkout sells. */
  priceId: string
  /** Seals the secrets of an assistant that a payment starts. */
  vault: Vault
}
