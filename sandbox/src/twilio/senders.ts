import { z } from 'zod'
import type { Account } from './account.ts'
import { notFound } from './errors.ts'

const update = z.object({
  webhook: z
    .object({ callback_url: z.string().optional(), status_callback_url: z.string().optional() })
    .optional(),
})

/** @throws TwilioError 404 for a SID that is not the one sender's */
export function senderResource(account: Account, base: string, sid = senderSid(account)): object {
  if (sid !== senderSid(account)) throw notFound(`/v2/Channels/Senders/${sid}`)
  return {
    sid,
    sender_id: account.sender,
    status: 'ONLINE',
    webhook: {
      callback_url: account.webhook.url,
      callback_method: 'POST',
      status_callback_url: account.webhook.statusUrl,
      status_callback_method: 'POST',
    },
    profile: { name: 'YourClaw' },
    properties: { quality_rating: 'HIGH', messaging_limit: '1K Customers/24hr' },
    offline_reasons: null,
    compliance: null,
    url: `${base}/v2/Channels/Senders/${sid}`,
  }
}

/** Where messages and statuses go from now on. */
export function updateSender(account: Account, body: unknown): void {
  const { webhook } = update.parse(body)
  if (webhook?.callback_url !== undefined) account.webhook.url = webhook.callback_url
  if (webhook?.status_callback_url !== undefined) account.webhook.statusUrl = webhook.status_callback_url
}

const senderSid = (account: Account) => `XE${account.accountSid.slice(2)}`
