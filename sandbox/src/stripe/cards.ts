/** A test card (https://docs.stripe.com/testing). */
export interface TestCard {
  /** What follows `pm_card_` and `tok_`. */
  name: string
  number: string
  label: string
  brand: string
  /** Refused at once, when a customer wants to keep it. */
  refusedAtOnce?: boolean
  /** Why every charge fails. */
  decline?: { code: string; declineCode?: string; message: string }
}

const generic = { code: 'card_declined', declineCode: 'generic_decline', message: 'Your card was declined.' }

export const testCards: [TestCard, ...TestCard[]] = [
  { name: 'visa', number: '4242424242424242', label: 'Visa that pays', brand: 'visa' },
  { name: 'mastercard', number: '5555555555554444', label: 'Mastercard that pays', brand: 'mastercard' },
  {
    name: 'chargeCustomerFail',
    number: '4000000000000341',
    label: 'Visa that can be kept, and never pays',
    brand: 'visa',
    decline: generic,
  },
  {
    name: 'visa_chargeDeclined',
    number: '4000000000000002',
    label: 'Visa that is declined',
    brand: 'visa',
    refusedAtOnce: true,
    decline: generic,
  },
  {
    name: 'visa_chargeDeclinedInsufficientFunds',
    number: '4000000000009995',
    label: 'Visa without money on it',
    brand: 'visa',
    refusedAtOnce: true,
    decline: {
      code: 'card_declined',
      declineCode: 'insufficient_funds',
      message: 'Your card has insufficient funds.',
    },
  },
  {
    name: 'chargeDeclinedExpiredCard',
    number: '4000000000000069',
    label: 'Visa that has expired',
    brand: 'visa',
    refusedAtOnce: true,
    decline: { code: 'expired_card', message: 'Your card has expired.' },
  },
  {
    name: 'threeDSecure2Required',
    number: '4000002500003155',
    label: 'Visa that asks its owner each time',
    brand: 'visa',
    decline: {
      code: 'authentication_required',
      declineCode: 'authentication_required',
      message: 'Your card was declined. This transaction requires authentication.',
    },
  },
]

/** By `pm_card_…`, `tok_…` or number. */
export function findCard(given: string): TestCard | undefined {
  const name = given.replace(/^(pm_card_|tok_)/, '')
  const digits = given.replaceAll(/[\s-]/g, '')
  return testCards.find((card) => card.name === name || card.number === digits)
}
