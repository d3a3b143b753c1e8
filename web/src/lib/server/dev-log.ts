import { stripVTControlCharacters } from 'node:util'
import { createLogger, type Logger } from 'vite'

/** SvelteKit's line for each request, up to what may open something: the query of a file's signed link. */
const requestLine = /^\d{3} [A-Z]+ \/[^?\s]*/

/** What the development server prints: a line a request only when asked for, and never a query. */
export function devLog({ showsRequests }: { showsRequests: boolean }): Logger {
  const logger = createLogger()
  const write =
    (print: Logger['info']): Logger['info'] =>
    (message, options) => {
      const [request] = requestLine.exec(stripVTControlCharacters(message)) ?? []
      if (request === undefined) print(message, options)
      else if (showsRequests) print(request)
    }
  // Changed in place, since Vite's logger keeps what it said on itself.
  return Object.assign(logger, { info: write(logger.info), error: write(logger.error) })
}
