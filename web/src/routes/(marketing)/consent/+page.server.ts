import { fail, redirect } from '@sveltejs/kit'
import * as z from 'zod/mini'
import { writeConsent } from '#lib/server/consent.ts'
import { safePath } from '#lib/server/safe-path.ts'
import type { Actions } from './$types'

const choice = z.enum(['granted', 'denied'])

export const actions: Actions = {
  default: async ({ request, cookies }) => {
    const form = await request.formData()
    const consent = choice.safeParse(form.get('consent'))
    if (!consent.success) return fail(400, { detail: 'Choose yes or no.' })
    writeConsent(cookies, consent.data)
    redirect(303, safePath(String(form.get('next') ?? ''), '/'))
  },
}
