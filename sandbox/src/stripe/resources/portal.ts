import type Stripe from 'stripe'
import { z } from 'zod'
import { type Route, route, text, url } from '../api/route.ts'
import { newId } from '../ids.ts'

const flowInput = z.strictObject({
  type: z.enum(['payment_method_update', 'subscription_cancel']),
  subscription_cancel: z.strictObject({ subscription: text }).optional(),
  after_completion: z
    .strictObject({
      type: z.enum(['hosted_confirmation', 'portal_homepage', 'redirect']),
      redirect: z.strictObject({ return_url: url }).optional(),
    })
    .optional(),
})

/** Sessions of the customer portal (https://docs.stripe.com/api/customer_portal/sessions). */
export const portalRoutes: Route[] = [
  route(
    'post',
    '/billing_portal/sessions',
    { customer: text, return_url: url.optional(), locale: text.optional(), flow_data: flowInput.optional() },
    ({ account, input }) => {
      account.objects.get('customer', input.customer, 'customer')
      const id = newId('bps')
      return account.objects.add<'billing_portal.session'>({
        id,
        object: 'billing_portal.session',
        configuration: 'bpc_sandbox',
        created: account.nowS(),
        customer: input.customer,
        customer_account: null,
        flow: input.flow_data ? flowOf(input.flow_data) : null,
        livemode: false,
        locale: null,
        on_behalf_of: null,
        return_url: input.return_url ?? null,
        url: `${account.pages}/portal/${id}`,
      })
    },
  ),
]

function flowOf(input: z.infer<typeof flowInput>): Stripe.BillingPortal.Session.Flow {
  const { type, subscription_cancel: cancel, after_completion: after } = input
  return {
    after_completion: {
      hosted_confirmation: null,
      redirect: after?.redirect ?? null,
      type: after?.type ?? 'portal_homepage',
    },
    customer_update: null,
    subscription_cancel: cancel ? { ...cancel, retention: null } : null,
    subscription_pause: null,
    subscription_update: null,
    subscription_update_confirm: null,
    type,
  }
}
