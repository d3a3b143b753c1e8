/** Price, trial, limits and periods in words: the numbers are the control plane's own, and stand nowhere else (B7). */
import { plan } from '@yourclaw/control-plane/plan'

export { plan }

const small = [
  'no',
  'one',
  'two',
  'three',
  'four',
  'five',
  'six',
  'seven',
  'eight',
  'nine',
  'ten',
  'eleven',
  'twelve',
]
/** Up to twelve in letters, as in running text. */
export const inWords = (count: number): string => small[count] ?? String(count)

const dollarFormat = new Intl.NumberFormat('en-US', {
  style: 'currency',
  currency: plan.currency.toUpperCase(),
  trailingZeroDisplay: 'stripIfInteger',
})

export const priceText = dollarFormat.format(plan.priceCents / 100)
export const creditText = dollarFormat.format(plan.welcomeCreditMicros / 1_000_000)
export const trialText = `${inWords(plan.trialDays)} days`
