import type { Cookies } from '@sveltejs/kit'
import * as z from 'zod/mini'

/** What somebody picked before we knew them: it outlives signing in and paying. */
const choice = z.object({
  channel: z.optional(z.enum(['TELEGRAM', 'WHATSAPP'])),
  /** A model's id; whether it is offered, the API decides when it is used. */
  model: z.optional(z.string().check(z.regex(/^[a-z0-9./-]{1,80}$/))),
})
export type Choice = z.infer<typeof choice>

const name = 'yc_choice'

/** Whatever is no choice is none: this comes from a browser. */
export const parseChoice = (input: unknown): Choice => choice.safeParse(input).data ?? {}

export function readChoice(cookies: Cookies): Choice {
  try {
    return parseChoice(JSON.parse(cookies.get(name) ?? '{}'))
  } catch {
    return {} // a cookie that somebody edited says nothing
  }
}

/** Adds to what was picked before; kept for a day. */
export function writeChoice(cookies: Cookies, picked: Choice): Choice {
  const merged = { ...readChoice(cookies), ...picked }
  cookies.set(name, JSON.stringify(merged), { path: '/', maxAge: 86_400, sameSite: 'lax' })
  return merged
}
