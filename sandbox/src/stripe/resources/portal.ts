import { z } from 'zod'
import { type Route, route, text, url } from '../api/route.ts'
import { newId } from '../ids.ts'

const flow = z.strictObject({
  type: z.enum(['payment_method_update', 'subscription_cancel']),
  subscription_cancel: z.strictObject({ subscription: text }).optional(),
})

/** Sessions of the customer portal (https://docs.stripe.com/api/customer_portal/sessions). */
export const portalRoutes: Route[] = [
  route(
    'post',
    '/billing_portal/sessions',
    { customer: text, return_url: url.optional(), locale: text.optional(), flow_data: flow.optional() },
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
        flow: null,
        livemode: false,
        locale: null,
        on_behalf_of: null,
        return_url: input.return_url ?? null,
        url: `${account.pages}/portal/${id}`,
      })
    },
  ),
]
