import { createMiddleware } from 'hono/factory'
import { ServiceError } from '../../errors.ts'

/**
 * For addresses that a person opens: a browser that asked for a page is led to the one of the web that says what went
 * wrong, a program gets the error itself. `pageFor` names a path of the web, given the error's code.
 */
export function errorsAsPages(webUrl: string, pageFor: (code: string) => string) {
  return createMiddleware(async (c, next) => {
    await next()
    const isPage = c.req.header('accept')?.includes('text/html') === true
    if (!isPage || !(c.error instanceof ServiceError)) return
    c.res = c.redirect(`${webUrl}${pageFor(encodeURIComponent(c.error.code))}`, 302)
  })
}
