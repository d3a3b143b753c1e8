import { setTimeout as delay } from 'node:timers/promises'

/** A seeded person's phone, and what belongs to it: the sandbox, and the API as that person. */
export function openPhone({ sandbox, api }) {
  const address = `${sandbox}/sim/telegram/1001/messages`

  async function json(url, init) {
    const response = await fetch(url, init)
    if (!response.ok) throw new Error(`${init?.method ?? 'GET'} ${url} answered ${response.status}`)
    return response.json()
  }
  const send = (method, url, body, headers = {}) =>
    json(url, {
      method,
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify(body),
    })
  const heard = async () => (await json(address)).filter((message) => message.kind === 'message')

  return {
    /** Writes to the bot and waits until it says exactly `answer`; greetings and excuses are no answer. */
    async ask(text, answer, ms) {
      const before = new Set((await heard()).map((message) => message.id))
      await send('POST', address, { text })
      let last
      for (const deadline = Date.now() + ms; Date.now() < deadline; await delay(300)) {
        const fresh = (await heard()).filter((message) => !before.has(message.id))
        if (fresh.some((message) => message.text.trim() === answer)) return
        last = fresh.at(-1)?.text ?? last
      }
      throw new Error(
        last === undefined ? 'the bot said nothing' : `the bot only said ${JSON.stringify(last)}`,
      )
    },
    script: (match, reply) => send('POST', `${sandbox}/sim/models/script`, { match, reply }),
    /** The newest call that reached a model provider, as text. */
    lastModelRequest: async () => JSON.stringify((await json(`${sandbox}/sim/models/requests`)).at(-1)),
    async callApi(method, path, body) {
      const [person] = await json(`${sandbox}/sim/people`)
      return send(method, `${api}/api/v1${path}`, body, { authorization: `Bearer ${person.bearer}` })
    },
    async assistant() {
      const [person] = await json(`${sandbox}/sim/people`)
      return json(`${api}/api/v1/assistants`, { headers: { authorization: `Bearer ${person.bearer}` } })
    },
  }
}
