import type { Account } from './account.ts'
import { createPrice, createProduct } from './resources/catalogue.ts'

/** What somebody set up in the dashboard: one product at $20 a month. */
export function seedPrice(account: Account, id: string): void {
  const product = createProduct(account, { name: 'Assistant' })
  const recurring = { interval: 'month' as const }
  createPrice(account, { id, product: product.id, currency: 'usd', unit_amount: 2000, recurring })
}
