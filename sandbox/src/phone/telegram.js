import { call, element, withFile } from './dom.js'

const typingMs = 5000
const draftMs = 30_000

// The tags Telegram knows; anything else, and every attribute but a safe link, is left behind.
const known = new Set('B STRONG I EM U INS S STRIKE DEL CODE PRE A BLOCKQUOTE SPAN TG-SPOILER'.split(' '))
function safe(node) {
  if (node.nodeType === Node.TEXT_NODE) return document.createTextNode(node.data)
  const children = [...node.childNodes].map(safe)
  if (!known.has(node.nodeName)) {
    const fragment = document.createDocumentFragment()
    fragment.append(...children)
    return fragment
  }
  const made = element(node.nodeName.toLowerCase(), {}, ...children)
  if (node.nodeName === 'SPAN') made.className = 'tg-spoiler'
  if (node.nodeName === 'A' && /^(https?|mailto|tg):/i.test(node.getAttribute('href') ?? '')) {
    Object.assign(made, { href: node.getAttribute('href'), target: '_blank', rel: 'noreferrer' })
  }
  return made
}

function said(event) {
  if (event.parseMode?.toLowerCase() !== 'html') return event.text
  return safe(new DOMParser().parseFromString(`<body>${event.text}`, 'text/html').body)
}

const plain = new Set(['text', 'edit'])
/** What makes a bubble; the rest is a state of the chat or of another bubble. */
const shown = new Set(['message', 'edit', 'media', 'notice'])

function ticks({ delivered, failedAttempts }) {
  if (delivered) return { text: '✓✓', label: 'Delivered to the webhook', kind: 'read' }
  if (failedAttempts > 0)
    return { text: `↻ ${failedAttempts}`, label: 'Webhook failed, trying again', kind: 'bad' }
  return { text: '✓', label: 'Sent', kind: '' }
}

/** Bubbles, oldest first; an edit takes the place of what it edits, a draft stands last. */
function entries({ bot, person }) {
  const found = new Map()
  for (const event of person) {
    if (['reaction', 'button', 'stop'].includes(event.kind)) continue
    const before = found.get(`p${event.id}`)
    const words = plain.has(event.kind) || event.file ? event.text : `[${event.kind}] ${event.text}`
    const content = () => withFile(event.file, words)
    const at = before?.at ?? event.at
    const tag = before && 'edited'
    found.set(`p${event.id}`, {
      ...event,
      key: `p${event.id}`,
      at,
      tag,
      mine: true,
      content,
      raw: event.request,
      ticks: ticks(event),
    })
  }
  let draft
  for (const event of bot) {
    if (event.kind === 'draft') draft = Date.now() - Date.parse(event.at) < draftMs ? event : undefined
    if (event.kind === 'deletion') found.delete(`b${event.id}`)
    if (!shown.has(event.kind)) continue
    draft = undefined
    const before = event.id === 0 ? undefined : found.get(`b${event.id}`)
    const raw = before ? [before.raw, event.request].flat() : event.request
    const at = before?.at ?? event.at
    const key = event.id === 0 ? `b${event.at}` : `b${event.id}`
    const tag = before ? 'edited' : event.kind === 'notice' ? 'notice' : undefined
    found.set(key, {
      ...event,
      key,
      at,
      tag,
      content: () => withFile(event.file, said(event)),
      buttons: event.buttons,
      raw,
    })
  }
  const sorted = [...found.values()].sort((a, b) => a.at.localeCompare(b.at) || a.id - b.id)
  if (draft) {
    const content = () => (draft.text ? said(draft) : 'Thinking…')
    const buttons = draft.canStop ? [[{ text: '⏹ Stop', data: 'stop' }]] : []
    sorted.push({ ...draft, key: `d${draft.id}`, look: 'draft', content, buttons, raw: draft.request })
  }
  return sorted
}

export const telegram = {
  name: 'telegram',
  title: 'Telegram',
  address: (person) => `Chat ${person.telegramUserId}`,
  load: (person) => call(`/telegram/${person.telegramUserId}/conversation`),
  send: (person, text) => call(`/telegram/${person.telegramUserId}/messages`, { text }),
  attach: (person, { name, base64, isPhoto, caption }) =>
    call(`/telegram/${person.telegramUserId}/messages`, {
      ...(isPhoto ? { photo: base64 } : { document: { name, base64 } }),
      ...(caption && { caption }),
    }),
  press: (person, entry, data) =>
    entry.kind === 'draft'
      ? call(`/telegram/${person.telegramUserId}/stops`, { draftId: entry.id })
      : call(`/telegram/${person.telegramUserId}/buttons`, { messageId: entry.id, data }),
  entries,
  state({ bot }) {
    const last = bot.at(-1)
    const isTyping = last?.kind === 'action' && Date.now() - Date.parse(last.at) < typingMs
    return { typing: isTyping ? (last.text === 'typing' ? 'typing…' : `${last.text}…`) : '', text: 'Bot' }
  },
}
