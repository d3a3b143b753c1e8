import { call, element, withFile } from './dom.js'

const typingMs = 25_000
const at = (person) => `/whatsapp/${encodeURIComponent(person.whatsappAddress)}`

const marks = { '*': 'b', _: 'i', '~': 's', '`': 'code' }

/** WhatsApp's marks, as its apps read them: between a word and what is no part of one, within a line. */
function inline(text) {
  const mark = /(?<![\p{L}\p{N}])([*_~`])(?=\S)((?:(?!\1).)*?\S)\1(?![\p{L}\p{N}])/u.exec(text)
  if (!mark) return [text]
  const [whole, sign, inner] = mark
  const content = sign === '`' ? [inner] : inline(inner)
  return [
    text.slice(0, mark.index),
    element(marks[sign], {}, ...content),
    ...inline(text.slice(mark.index + whole.length)),
  ]
}

function said(text) {
  const made = element('span')
  for (const [index, piece] of text.split(/```\n?([\s\S]*?)\n?```/).entries()) {
    if (index % 2 === 1) {
      made.append(element('pre', { textContent: piece }))
      continue
    }
    // A block breaks the line by itself, before and after.
    let isAfterBlock = true
    const trimmed = piece.replace(index > 0 ? /^\n/ : '', '').replace(/\n$/, '')
    for (const words of trimmed.split('\n')) {
      const quoted = /^> (.*)$/.exec(words)
      if (!isAfterBlock && !quoted) made.append('\n')
      isAfterBlock = Boolean(quoted)
      made.append(...(quoted ? [element('blockquote', {}, ...inline(quoted[1]))] : inline(words)))
    }
  }
  return made
}

const personTicks = ({ delivered, read, failedAttempts }) => {
  if (read) return { text: '✓✓', label: 'Read', kind: 'read' }
  if (delivered) return { text: '✓✓', label: 'Delivered to the webhook', kind: '' }
  if (failedAttempts > 0)
    return { text: `↻ ${failedAttempts}`, label: 'The webhook did not take it', kind: 'bad' }
  return { text: '✓', label: 'Sent', kind: '' }
}

const businessTicks = {
  queued: { text: '✓', label: 'Queued', kind: '' },
  sent: { text: '✓', label: 'Sent', kind: '' },
  delivered: { text: '✓✓', label: 'Delivered', kind: '' },
  read: { text: '✓✓', label: 'Read', kind: 'read' },
}

function buttonsOf(choices) {
  if (!choices) return []
  const { list, options } = choices
  if (!list) return options.map(({ title, id }) => [{ text: title, data: id }])
  const lines = options.map(({ title, id }) => ({ text: title, value: id }))
  return [[{ text: `☰ ${list}`, list: { title: list, options: lines } }]]
}

function entries({ business, person }) {
  const mine = person.map((event) => ({
    ...event,
    key: `p${event.sid}`,
    mine: true,
    content: () =>
      withFile(
        event.file && { name: event.request.MediaFilename0, ...event.file },
        ['text', 'interactive'].includes(event.kind) || event.file
          ? event.body
          : `[${event.kind}] ${event.body}`,
      ),
    raw: event.request,
    ticks: personTicks(event),
  }))
  const theirs = business
    .filter(({ kind }) => kind !== 'typing')
    .map((event) => ({
      ...event,
      key: `b${event.sid}`,
      content: () => withFile(event.file, said(event.body)),
      buttons: buttonsOf(event.choices),
      raw: event.request,
      look: event.errorCode ? 'lost' : '',
      bad: Boolean(event.errorCode),
      tag: event.errorCode
        ? `not delivered: ${event.errorCode}`
        : event.kind === 'template'
          ? 'template'
          : '',
      ticks: businessTicks[event.status],
    }))
  return [...mine, ...theirs].sort((a, b) => a.at.localeCompare(b.at))
}

export const whatsapp = {
  name: 'whatsapp',
  title: 'WhatsApp',
  address: (person) => person.whatsappAddress.replace(/^whatsapp:/, ''),
  load: (person) => call(`${at(person)}/conversation`),
  send: (person, body) => call(`${at(person)}/messages`, { body }),
  attach: (person, { name, base64, isPhoto, caption }) =>
    call(`${at(person)}/messages`, {
      ...(isPhoto ? { photo: base64 } : { document: { name, base64 } }),
      ...(caption && { body: caption }),
    }),
  press: (person, entry, data) => call(`${at(person)}/buttons`, { messageSid: entry.sid, data }),
  entries,
  state({ business, windowOpen, optedOut }) {
    const last = business.at(-1)
    const isTyping = last?.kind === 'typing' && Date.now() - Date.parse(last.at) < typingMs
    const text = optedOut ? 'opted out' : windowOpen ? '24 h window open' : '24 h window closed'
    return { typing: isTyping ? 'typing…' : '', text }
  },
  button: {
    text: 'A day later',
    title: 'Moves WhatsApp’s clock on, so that every 24-hour window closes',
    press: () => call('/whatsapp/clock', { advanceSeconds: 24 * 3600 }),
  },
}
