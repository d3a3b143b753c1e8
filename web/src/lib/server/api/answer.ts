import { error, fail, redirect } from '@sveltejs/kit'
import * as z from 'zod/mini'

/** What the API says instead of an answer: `{ detail, code }` with its status. */
export interface Problem {
  status: number
  code: string
  /** Safe to show. */
  detail: string
}

/** As openapi-fetch gives it. */
type Reply<T> = Promise<{ data?: T; error?: unknown; response: Response }>
export type Answer<T> = { ok: true; data: T } | { ok: false; problem: Problem }

const problemBody = z.object({ detail: z.string(), code: z.string() })

/** An answer or a problem, never a throw: not being reached is a problem like any other. */
export async function ask<T>(reply: Reply<T>): Promise<Answer<T>> {
  try {
    const { data, error, response } = await reply
    if (response.ok) return { ok: true, data: data as T }
    const body = problemBody.safeParse(error).data
    return {
      ok: false,
      problem: {
        status: response.status,
        code: body?.code ?? 'unknown',
        detail: body?.detail ?? 'Something went wrong on our side.',
      },
    }
  } catch {
    // fetch throws only when there was no answer: nobody listens, or not in time.
    return {
      ok: false,
      problem: {
        status: 503,
        code: 'api_unreachable',
        detail: 'YourClaw cannot be reached right now. Please try again.',
      },
    }
  }
}

/** For what a page cannot do without: a person who is not signed in signs in first, any other problem is the error page. */
export async function need<T>(reply: Reply<T>, url: URL): Promise<T> {
  return needed(await ask(reply), url)
}

/** The same, of an answer that was looked at. */
export function needed<T>(answer: Answer<T>, url: URL): T {
  if (answer.ok) return answer.data
  const { problem } = answer
  if (problem.status === 401) redirect(303, loginUrl(url))
  error(problem.status >= 500 ? 503 : problem.status, problem.detail, { code: problem.code })
}

/** For a form: back to it with the problem, or to signing in. */
export function refuse(problem: Problem, url: URL, values: Record<string, string> = {}) {
  if (problem.status === 401) redirect(303, loginUrl(url))
  return fail(problem.status, { problem, values })
}

const loginUrl = (url: URL) => `/login?returnTo=${encodeURIComponent(url.pathname + pageQuery(url))}`

/** Without the name of the form's action, which `?/name` puts first. */
function pageQuery(url: URL): string {
  const query = new URLSearchParams(url.search)
  for (const name of [...query.keys()]) if (name.startsWith('/')) query.delete(name)
  return query.size > 0 ? `?${query}` : ''
}
