import { element } from './dom.js'

/** What each bubble was made of. */
const made = new WeakMap()

/** Brings the bubbles up to date. What did not change is left alone, with all that is open, playing or focused in it. */
export function show(talk, entries, typing, press) {
  const atEnd = talk.scrollHeight - talk.scrollTop - talk.clientHeight < 60
  const before = new Map([...talk.children].map((node) => [node.dataset.key, node]))
  const focused = document.activeElement?.closest('.bubble')
  const focusedAt = focused && talk.contains(focused) ? controls(focused).indexOf(document.activeElement) : -1
  const line = (key, className, textContent) => ({ key, plain: { className, textContent } })
  const lines =
    entries.length > 0 ? [...entries] : [line('empty', 'empty', 'No messages yet. Write to begin.')]
  if (typing) lines.push(line('typing', 'typing', typing))
  const nodes = lines.map((entry) => {
    const known = before.get(entry.key)
    const source = JSON.stringify(entry)
    if (known && made.get(known) === source) return known
    const node = entry.plain ? element('div', entry.plain) : bubble(entry, press)
    if (known?.querySelector('details')?.open) node.querySelector('details').open = true
    node.dataset.key = entry.key
    made.set(node, source)
    return node
  })
  const kept = new Set(nodes)
  for (const node of [...talk.children]) if (!kept.has(node)) node.remove()
  nodes.forEach((node, index) => {
    if (talk.children[index] !== node) talk.insertBefore(node, talk.children[index] ?? null)
  })
  if (focusedAt >= 0 && !focused.isConnected) {
    const now = nodes.find(({ dataset }) => dataset.key === focused.dataset.key)
    const control = now && (controls(now)[focusedAt] ?? controls(now)[0])
    ;(control ?? talk.parentNode.querySelector('textarea')).focus()
  }
  if (atEnd) talk.scrollTop = talk.scrollHeight
}

const controls = (node) => [...node.querySelectorAll('button, summary, a')]

function bubble(entry, press) {
  const className = ['bubble', entry.mine && 'mine', entry.look].filter(Boolean).join(' ')
  const node = element('div', { className }, element('div', { className: 'said' }, entry.content()))
  for (const row of entry.buttons ?? []) {
    const buttons = row.map((button) =>
      element('button', {
        type: 'button',
        textContent: button.text,
        disabled: button.data === undefined && !button.list,
        onclick: () => press(entry, button),
      }),
    )
    node.append(element('div', { className: 'buttons' }, ...buttons))
  }
  node.append(foot(entry), raw(entry))
  return node
}

function foot({ at, tag, bad, ticks }) {
  const time = new Date(at).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' })
  const made = element('div', { className: 'foot' })
  if (tag) made.append(element('span', { className: bad ? 'tag bad' : 'tag', textContent: tag }))
  made.append(element('time', { dateTime: at, textContent: time }))
  if (ticks) {
    const { text, label, kind } = ticks
    const className = `ticks ${kind}`
    made.append(
      element('span', { className, title: label, role: 'img', ariaLabel: label, textContent: text }),
    )
  }
  return made
}

/** What went over the wire; its handle shows while the bubble is pointed at or the keyboard is in it. */
const raw = (entry) =>
  element(
    'details',
    {},
    element('summary', { textContent: '⋯', title: 'Raw', ariaLabel: 'Raw' }),
    element('pre', { textContent: JSON.stringify(entry.raw, null, 2) }),
  )
