import { randomUUID } from 'node:crypto'
import { redirect } from '@sveltejs/kit'
import { ask, need, needed, refuse } from '#lib/server/api/answer.ts'
import type { Actions, PageServerLoad } from './$types'

const atOnce = 40

/** With `q` what was found, with `before` an older part of the conversation, else its end. */
export const load: PageServerLoad = async ({ locals, url }) => {
  const { api } = locals
  const q = url.searchParams.get('q')?.trim().slice(0, 200) || undefined
  const before = /^\d{1,15}$/.exec(url.searchParams.get('before') ?? '')?.[0]
  const query = { limit: atOnce, ...(before && { before }), ...(q && { q }) }
  const [answer, assistant] = await Promise.all([
    ask(api.GET('/api/v1/messages', { params: { query } })),
    need(api.GET('/api/v1/assistants'), url),
  ])
  // Whoever types on stays in the field.
  const notSearched =
    !answer.ok && answer.problem.code === 'too_many_searches' ? answer.problem.detail : undefined
  const page = notSearched === undefined ? needed(answer, url) : { messages: [] }
  return { page, notSearched, q, before, assistant, now: new Date().toISOString(), formKey: randomUUID() }
}

/** For browsers without scripts; the others call the API. */
export const actions: Actions = {
  send: async ({ request, locals, url }) => {
    const form = await request.formData()
    const text = String(form.get('text') ?? '')
    const key = String(form.get('key') ?? '')
    const attachmentIds: string[] = []
    for (const file of form.getAll('file')) {
      if (!(file instanceof File) || file.size === 0) continue
      const stored = await ask(
        locals.api.POST('/api/v1/attachments', {
          params: { query: { name: file.name } },
          headers: { 'content-type': file.type || 'application/octet-stream' },
          body: file as never,
          bodySerializer: (bytes) => bytes,
        }),
      )
      if (!stored.ok) return refuse(stored.problem, url, { text })
      attachmentIds.push(stored.data.id)
    }
    const answer = await ask(
      locals.api.POST('/api/v1/messages', {
        params: { header: { 'idempotency-key': key || randomUUID() } },
        body: { text, attachmentIds },
      }),
    )
    if (!answer.ok) return refuse(answer.problem, url, { text })
    redirect(303, '/dashboard/chat')
  },
  stop: async ({ locals, url }) => {
    const answer = await ask(locals.api.POST('/api/v1/messages/stop'))
    if (!answer.ok) return refuse(answer.problem, url)
    redirect(303, '/dashboard/chat')
  },
  choose: async ({ request, locals, url }) => {
    const form = await request.formData()
    const answer = await ask(
      locals.api.POST('/api/v1/questions/{questionId}/answer', {
        params: { path: { questionId: String(form.get('question') ?? '') } },
        body: { option: String(form.get('option') ?? '') },
      }),
    )
    if (!answer.ok) return refuse(answer.problem, url)
    redirect(303, '/dashboard/chat')
  },
}
