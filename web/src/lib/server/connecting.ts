import { type Cookies, type RequestEvent, redirect } from '@sveltejs/kit'
import * as z from 'zod/mini'
import type { BindableChannel } from '#lib/channels.ts'
import { ask, refuse } from './api/answer.ts'
import { writeChoice } from './choice.ts'
import { qrOf } from './qr.ts'

/**
 * The link and the code of a chat that is being connected. The API says them once, so they stay in a cookie of the
 * browser that asked: a page that is loaded again shows the same code.
 */
const kept = z.object({
  channel: z.enum(['TELEGRAM', 'WHATSAPP']),
  bindUrl: z.url(),
  code: z.string().check(z.maxLength(100)),
  expiresAt: z.iso.datetime(),
})
const name = 'yc_connecting'
const wanted = z.object({ channel: z.enum(['TELEGRAM', 'WHATSAPP']) })

export function readConnecting(cookies: Cookies) {
  try {
    const one = kept.parse(JSON.parse(cookies.get(name) ?? 'null'))
    return Date.parse(one.expiresAt) > Date.now() ? { ...one, qr: qrOf(one.bindUrl) } : undefined
  } catch {
    return undefined // none, or one that somebody edited
  }
}

export const forgetConnecting = (cookies: Cookies): void => cookies.delete(name, { path: '/' })

/** The form that asks for a code; back to its page, which then shows it. */
export async function startConnecting({ request, cookies, locals, url }: RequestEvent) {
  const form = await request.formData()
  const parsed = wanted.safeParse({ channel: form.get('channel') })
  if (!parsed.success)
    return refuse({ status: 400, code: 'invalid_input', detail: 'Choose one of the messengers.' }, url)
  const channel: BindableChannel = parsed.data.channel
  const answer = await ask(locals.api.POST('/api/v1/users/me/channel', { body: { channel } }))
  if (!answer.ok) return refuse(answer.problem, url)
  const { bindUrl, code, expiresAt } = answer.data
  const maxAge = Math.max(1, Math.round((Date.parse(expiresAt) - Date.now()) / 1000))
  cookies.set(name, JSON.stringify({ channel, bindUrl, code, expiresAt }), {
    path: '/',
    maxAge,
    httpOnly: true,
    sameSite: 'lax',
  })
  writeChoice(cookies, { channel })
  redirect(303, url.pathname)
}
