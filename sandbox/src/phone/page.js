import { call, element } from './dom.js'
import { telegram } from './telegram.js'
import { whatsapp } from './whatsapp.js'

const byId = (id) => document.getElementById(id)
const colours = ['#2f7d5b', '#8a4fb0', '#b3562d', '#2c6fb1', '#a83f64']
const pollMs = 700
let people = []
let chosen = Number(location.hash.slice(1)) || 1001
const person = () => people.find(({ telegramUserId }) => telegramUserId === chosen) ?? people[0]

const attempt = (work) =>
  work().then(
    () => {
      byId('trouble').textContent = ''
    },
    (error) => {
      byId('trouble').textContent = `The sandbox did not answer: ${error.message}`
    },
  )

function bubble(entry, press) {
  const time = new Date(entry.at).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' })
  const foot = element(
    'div',
    { className: 'foot' },
    element(
      'details',
      {},
      element('summary', { textContent: 'Raw' }),
      element('pre', { textContent: JSON.stringify(entry.raw, null, 2) }),
    ),
  )
  if (entry.tag)
    foot.append(element('span', { className: entry.bad ? 'tag bad' : 'tag', textContent: entry.tag }))
  foot.append(element('time', { dateTime: entry.at, textContent: time }))
  if (entry.ticks) {
    const { text, label, kind } = entry.ticks
    const className = `ticks ${kind}`
    foot.append(
      element('span', { className, title: label, role: 'img', ariaLabel: label, textContent: text }),
    )
  }
  const className = ['bubble', entry.mine && 'mine', entry.look].filter(Boolean).join(' ')
  const made = element('div', { className }, element('div', { className: 'said' }, entry.content))
  for (const row of entry.buttons ?? []) {
    const buttons = row.map(({ text, data }) => {
      const button = element('button', { type: 'button', textContent: text, disabled: data === undefined })
      button.onclick = () => press(entry, data)
      return button
    })
    made.append(element('div', { className: 'buttons' }, ...buttons))
  }
  made.append(foot)
  made.dataset.id = entry.id
  return made
}

/** One conversation beside the others; gives back how it is brought up to date. */
function mount(channel) {
  const section = byId('channel').content.cloneNode(true).querySelector('section')
  const part = (selector) => section.querySelector(selector)
  section.classList.add(channel.name)
  section.ariaLabel = `${channel.title} conversation`
  part('strong').textContent = channel.title
  if (channel.button) {
    const { text, title, press } = channel.button
    const button = element('button', { type: 'button', textContent: text, title })
    button.onclick = () => attempt(() => press().then(refresh))
    part('header').append(button)
  }
  const talk = part('.talk')
  const text = part('textarea')
  part('form').onsubmit = (event) => {
    event.preventDefault()
    const words = text.value.trim()
    if (!words) return
    attempt(async () => {
      await channel.send(person(), words)
      text.value = ''
      await refresh()
      talk.scrollTop = talk.scrollHeight
    })
  }
  if (channel.attach) part('form').prepend(attachment(channel, text))
  const press = (entry, data) => attempt(() => channel.press(person(), entry, data).then(refresh))
  text.onkeydown = (event) => {
    if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return
    event.preventDefault()
    part('form').requestSubmit()
  }
  document.querySelector('main').append(section)

  let shown = ''
  return async () => {
    const asked = person()
    const events = await channel.load(asked)
    if (asked !== person()) return
    const { typing, text: state } = channel.state(events)
    part('.state').textContent = typing || `${channel.address(asked)} · ${state}`
    const now = chosen + typing + JSON.stringify(events)
    if (now === shown) return
    shown = now
    show(talk, channel.entries(events), typing, press)
  }
}

/** A file to send, with what is written as its caption. */
function attachment(channel, text) {
  const input = element('input', { type: 'file', hidden: true })
  const button = element('button', {
    type: 'button',
    className: 'attach',
    textContent: '+',
    ariaLabel: 'Attach a file',
  })
  button.onclick = () => input.click()
  input.onchange = () =>
    attempt(async () => {
      const [file] = input.files
      const url = await new Promise((resolve, reject) => {
        const reader = new FileReader()
        reader.onload = () => resolve(reader.result)
        reader.onerror = () => reject(reader.error)
        reader.readAsDataURL(file)
      })
      const base64 = url.slice(url.indexOf(',') + 1)
      const isPhoto = /^image\/(png|jpeg)$/.test(file.type)
      await channel.attach(person(), { name: file.name, base64, isPhoto, caption: text.value.trim() })
      input.value = text.value = ''
      await refresh()
    })
  return element('span', {}, input, button)
}

function show(talk, entries, typing, press) {
  const open = new Set(
    [...talk.querySelectorAll('details[open]')].map((node) => node.closest('.bubble').dataset.id),
  )
  const atEnd = talk.scrollHeight - talk.scrollTop - talk.clientHeight < 60
  const empty = element('p', { className: 'empty', textContent: 'No messages yet. Write to begin.' })
  talk.replaceChildren(...(entries.length ? entries.map((entry) => bubble(entry, press)) : [empty]))
  if (typing) talk.append(element('div', { className: 'typing', textContent: typing }))
  for (const node of talk.querySelectorAll('.bubble')) {
    if (open.has(node.dataset.id)) node.querySelector('details').open = true
  }
  if (atEnd) talk.scrollTop = talk.scrollHeight
}

function renderPeople() {
  byId('people').replaceChildren(
    ...people.map((one, index) => {
      const face = element('span', { className: 'face', textContent: one.name[0], ariaHidden: 'true' })
      face.style.background = colours[index % colours.length]
      const about = element('small', { textContent: one.email })
      const isChosen = String(one.telegramUserId === chosen)
      const button = element('button', { className: 'person', type: 'button', ariaPressed: isChosen }, face)
      button.append(element('span', {}, one.name, about))
      button.onclick = () => {
        chosen = one.telegramUserId
        history.replaceState(null, '', `#${chosen}`)
        renderPeople()
        byId('people').querySelector('[aria-pressed=true]').focus()
        attempt(refresh)
      }
      return button
    }),
  )
}

const channels = [telegram, whatsapp].map(mount)

async function refresh() {
  const found = await call('/people')
  if (JSON.stringify(found) !== JSON.stringify(people)) {
    people = found
    renderPeople()
  }
  await Promise.all(channels.map((update) => update()))
}

byId('reset').onclick = () => attempt(() => call('/reset', {}).then(refresh))

const poll = async () => {
  await attempt(refresh)
  setTimeout(poll, pollMs)
}
poll()
