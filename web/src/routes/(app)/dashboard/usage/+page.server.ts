import * as z from 'zod/mini'
import { ask, need, refuse } from '#lib/server/api/answer.ts'
import { offeredModels } from '#lib/server/models.ts'
import type { Actions, PageServerLoad } from './$types'
import { drawCharts } from './draw-charts.server.ts'

const topUp = z.enum(['500', '1000', '2500'])
/** Dollars, as typed; empty takes the cap away. */
const cap = z.union([z.literal(''), z.string().check(z.regex(/^\d{1,5}([.,]\d{1,2})?$/))])

export const load: PageServerLoad = async ({ locals, url }) => {
  const [usage, credits, models] = await Promise.all([
    need(locals.api.GET('/api/v1/usage'), url),
    ask(locals.api.GET('/api/v1/credits')),
    offeredModels(locals.api),
  ])
  return {
    usage,
    charts: drawCharts(usage.days),
    credits,
    modelNames: Object.fromEntries(models.map(({ id, name }) => [id, name])),
    topUp: url.searchParams.get('top-up'),
  }
}

export const actions: Actions = {
  topUp: async ({ request, locals, url }) => {
    const amount = topUp.safeParse((await request.formData()).get('amountCents'))
    if (!amount.success)
      return refuse({ status: 400, code: 'invalid_input', detail: 'Choose an amount.' }, url)
    const amountCents = Number(amount.data) as 500 | 1000 | 2500
    const answer = await ask(locals.api.POST('/api/v1/credits/top-up', { body: { amountCents } }))
    return answer.ok ? { leaveFor: answer.data.url } : refuse(answer.problem, url)
  },
  cap: async ({ request, locals, url }) => {
    const typed = String((await request.formData()).get('dollars') ?? '').trim()
    const dollars = cap.safeParse(typed)
    if (!dollars.success)
      return refuse({ status: 400, code: 'invalid_cap', detail: 'Give dollars, like 15 or 7.50.' }, url, {
        dollars: typed,
      })
    const monthlyMicros =
      dollars.data === '' ? null : Math.round(Number(dollars.data.replace(',', '.')) * 100) * 10_000
    const answer = await ask(locals.api.PUT('/api/v1/credits/cap', { body: { monthlyMicros } }))
    if (!answer.ok) return refuse(answer.problem, url, { dollars: typed })
    return { said: monthlyMicros === null ? 'There is no cap now.' : 'The cap is set.' }
  },
}
