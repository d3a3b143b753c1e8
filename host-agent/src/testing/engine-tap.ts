import { once } from 'node:events'
import { createServer, request } from 'node:http'

/** Docker's socket as an agent calls it: notes every call, and may leave one of them without an answer. */
export async function startEngineTap(path: string, engine = '/var/run/docker.sock') {
  const calls: string[] = []
  let left = Number.POSITIVE_INFINITY
  let reached = () => {}
  const server = createServer((near, answer) => {
    const { method = 'GET', url = '/', headers } = near
    calls.push(`${method} ${url.split('?')[0]}`)
    const isStep = method !== 'GET'
    if (isStep) left -= 1
    const cutsHere = isStep && left === 0
    const far = request({ socketPath: engine, method, path: url, headers }, (response) => {
      if (cutsHere) {
        response.resume().once('end', () => reached())
        return
      }
      answer.writeHead(response.statusCode ?? 500, response.headers)
      answer.flushHeaders()
      response.pipe(answer)
    })
    far.on('error', () => answer.destroy())
    near.on('error', () => far.destroy())
    answer.on('close', () => cutsHere || far.destroy())
    near.pipe(far)
  }).listen(path)
  await once(server, 'listening')
  return {
    /** Method and path of all so far, oldest first. */
    calls,
    /** Lets the engine do so many more steps that change something; the last one's answer never comes, and `then` is called. */
    cutAfter(steps: number, then: () => void) {
      left = steps
      reached = then
    },
    close() {
      server.closeAllConnections()
      server.close()
    },
  }
}
