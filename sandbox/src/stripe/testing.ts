import Stripe from 'stripe'
import { post } from '../test-support.ts'

/** The SDK as it comes, told where the sandbox is. */
export function stripeAt(url: string): Stripe {
  const { hostname, port } = new URL(url)
  return new Stripe('sk_test_sandbox', { host: hostname, port, protocol: 'http', maxNetworkRetries: 0 })
}

/** A customer with a test card, and the seeded price. */
export async function customerWithCard(stripe: Stripe, card = 'pm_card_visa') {
  const customer = await stripe.customers.create({
    email: 'ada@example.com',
    payment_method: card,
    invoice_settings: { default_payment_method: card },
  })
  return { customer, price: 'price_sandboxMonthly' }
}

export const advance = (url: string, advanceSeconds: number) =>
  post(`${url}/sim/stripe/clock`, { advanceSeconds })

/** The types of the events since the first with this id, oldest first. */
export async function eventTypes(stripe: Stripe, object: string): Promise<string[]> {
  const events = await stripe.events.list({ limit: 100 })
  const about = events.data.filter(({ data }) => JSON.stringify(data.object).includes(object))
  return about.map(({ type }) => type as string).reverse()
}
