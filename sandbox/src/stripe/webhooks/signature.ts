import { createHmac } from 'node:crypto'

/** The `stripe-signature` header: https://docs.stripe.com/webhooks#verify-manually */
export function signatureHeader(secret: string, payload: string, atS: number): string {
  const v1 = createHmac('sha256', secret).update(`${atS}.${payload}`).digest('hex')
  return `t=${atS},v1=${v1}`
}
