import { invalidInput } from '../../errors.ts'

const maxLength = 2_000

/** The path of the web that a browser may be sent back to; throws invalid_return_to for anything else (I6). */
export function returnPath(asked: string | undefined, webUrl: string): string {
  if (asked === undefined || asked === '') return '/dashboard'
  // Judged as the browser will read it: //host, /\host and /<tab>/host are all other origins.
  const url = asked.startsWith('/') && asked.length <= maxLength ? URL.parse(asked, webUrl) : null
  const path = url === null ? '' : url.pathname + url.search + url.hash
  if (url?.origin !== new URL(webUrl).origin || path.startsWith('//')) {
    throw invalidInput('returnTo must be a path of this site.', 'invalid_return_to')
  }
  return path
}
