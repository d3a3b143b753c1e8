import { setTimeout as delay } from 'node:timers/promises'

/** A seeded person's phone, and what belongs to it: the sandbox, and the API as that person. */
export function openPhone({ sandbox, api }) {
  /** `key` names the text of a message, on its way in and out. */
  const telegram = { url: `${sandbox}/sim/telegram/1001/messages`, key: 'text' }
  const whatsapp = {
    url: `${sandbox}/sim/whatsapp/${encodeURIComponent('whatsapp:+15550001')}/messages`,
    key: 'body',
  }

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
  const heard = async ({ url }) => (await json(url)).filter((message) => message.kind === 'message')

  /** Writes on a channel and waits until it says exactly `answer`; greetings and excuses are no answer. */
  async function askOn(channel, text, answer, ms) {
    const { url, key } = channel
    const before = (await heard(channel)).length
    await send('POST', url, { [key]: text })
    let last
    for (const deadline = Date.now() + ms; Date.now() < deadline; await delay(300)) {
      const fresh = (await heard(channel)).slice(before)
      if (fresh.some((message) => message[key].trim() === answer)) return
      last = fresh.at(-1)?.[key] ?? last
    }
    throw new Error(last === undefined ? 'nothing was said' : `it only said ${JSON.stringify(last)}`)
  }

  /** Calls the API as the seeded person. */
  async function callApi(method, path, body) {
    const [person] = await json(`${sandbox}/sim/people`)
    const authorization = { authorization: `Bearer ${person.bearer}` }
    const url = `${api}/api/v1${path}`
    return method === 'GET' ? json(url, { headers: authorization }) : send(method, url, body, authorization)
  }

  return {
    ask: (text, answer, ms) => askOn(telegram, text, answer, ms),
    askOnWhatsapp: (text, answer, ms) => askOn(whatsapp, text, answer, ms),
    script: (match, reply) => send('POST', `${sandbox}/sim/models/script`, { match, reply }),
    /** The newest call that reached a model provider, as text. */
    lastModelRequest: async () => JSON.stringify((await json(`${sandbox}/sim/models/requests`)).at(-1)),
    callApi,
    assistant: () => callApi('GET', '/assistants'),
  }
}
