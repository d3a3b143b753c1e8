import { addPerson, choose } from './dialogs.js'
import { call, element } from './dom.js'
import { linkIn } from './links.js'
import { show } from './talk.js'
import { telegram } from './telegram.js'
import { whatsapp } from './whatsapp.js'

const byId = (id) => document.getElementById(id)
const colours = ['#2f7d5b', '#8a4fb0', '#b3562d', '#2c6fb1', '#a83f64']
const pollMs = 700
let people = []
let chosen = Number(location.hash.slice(1)) || 1001
const person = () => people.find(({ telegramUserId }) => telegramUserId === chosen) ?? people[0]

/** What went wrong stays until something goes well again; a poll clears only what a poll said. */
const attempt = (work, by = 'person') =>
  work().then(
    () => {
      if (by === 'person' || byId('trouble').dataset.by === by) byId('trouble').textContent = ''
    },
    (error) => {
      byId('trouble').dataset.by = by
      byId('trouble').textContent =
        error instanceof TypeError ? 'The sandbox does not answer.' : error.message
    },
  )

/** One conversation beside the others. */
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
  const send = async (words) => {
    await channel.send(person(), words)
    await refresh()
    talk.scrollTop = talk.scrollHeight
  }
  part('form').onsubmit = (event) => {
    event.preventDefault()
    const words = text.value.trim()
    if (!words) return
    attempt(async () => {
      await send(words)
      text.value = ''
    })
  }
  if (channel.attach) part('form').prepend(attachment(channel, text))
  text.onkeydown = (event) => {
    if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return
    event.preventDefault()
    part('form').requestSubmit()
  }
  document.querySelector('main').append(section)
  const app = element('input', { type: 'radio', name: 'app', id: `app-${channel.name}` })
  app.checked = channel === telegram
  byId('apps').append(element('label', {}, app, channel.title))

  const press = (entry, { data, list }) =>
    attempt(async () => {
      const picked = list ? await choose(list.title, list.options) : data
      if (picked === undefined) return
      await channel.press(person(), entry, picked)
      await refresh()
    })
  return {
    name: channel.name,
    send,
    write(words) {
      app.checked = true
      text.value = words
      text.focus()
    },
    async update() {
      const asked = person()
      const events = await channel.load(asked)
      if (asked !== person()) return
      const { typing, text: state } = channel.state(events)
      part('.state').textContent = typing || `${channel.address(asked)} · ${state}`
      show(talk, channel.entries(events), typing, press)
    },
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

function renderPeople() {
  byId('people').replaceChildren(
    ...people.map((one, index) => {
      const face = element('span', { className: 'face', textContent: one.name[0], ariaHidden: 'true' })
      face.style.background = colours[index % colours.length]
      const about = element('small', { textContent: one.email })
      const isChosen = String(one === person())
      const button = element('button', { className: 'person', type: 'button', ariaPressed: isChosen }, face)
      button.append(element('span', {}, one.name, about))
      button.onclick = () => attempt(() => take(one))
      return button
    }),
  )
}

/** Takes up somebody's phone. */
async function take({ telegramUserId }) {
  chosen = telegramUserId
  history.replaceState(null, '', `/#${chosen}`)
  await refresh()
  renderPeople()
  byId('people').querySelector('[aria-pressed=true]').focus()
}

const channels = [telegram, whatsapp].map(mount)

async function refresh() {
  const found = await call('/people')
  if (JSON.stringify(found) !== JSON.stringify(people)) {
    people = found
    renderPeople()
  }
  await Promise.all(channels.map(({ update }) => update()))
}

const add = async () => {
  const added = await addPerson()
  if (added) await take(added)
  return added
}
byId('add').onclick = () => attempt(add)
byId('reset').onclick = () => attempt(() => call('/reset', {}).then(refresh))

/** The page's own address may be a link to a chat. Whoever opens it is asked for, since this is everybody's phone. */
async function open({ app, words, sends }) {
  const options = people.map((one) => ({ text: `${one.name} · ${one.email}`, value: one }))
  const who = await choose('Who opens the link?', [...options, { text: '+ Add a person', value: add }])
  if (!who) return
  if (who === add ? !(await add()) : await take(who)) return
  const channel = channels.find(({ name }) => name === app)
  channel.write(sends ? '' : words)
  if (sends) await channel.send(words)
}

const poll = async () => {
  await attempt(refresh, 'poll')
  setTimeout(poll, pollMs)
}
await poll()
const link = linkIn(new URL(location.href))
if (link) attempt(() => open(link))
