import { call, element } from './dom.js'

const byId = (id) => document.getElementById(id)

/** Opens a dialog; resolves with what `close` was given, or undefined when it was left. */
function ask(dialog, prepare) {
  return new Promise((resolve) => {
    let answer
    prepare((given) => {
      answer = given
      dialog.close()
    })
    dialog.querySelector('[value=cancel]').onclick = () => dialog.close()
    dialog.onclose = () => resolve(answer)
    dialog.showModal()
  })
}

/** One of the options, by the mouse, or by Tab and Enter. */
export const choose = (title, options) =>
  ask(byId('menu'), (close) => {
    byId('menu-title').textContent = title
    const buttons = options.map(({ text, value }) =>
      element('button', { type: 'button', textContent: text, onclick: () => close(value) }),
    )
    byId('menu')
      .querySelector('.choices')
      .replaceChildren(...buttons)
  })

/** Somebody new, once they are there. */
export async function addPerson() {
  const form = byId('person').querySelector('form')
  const given = await ask(byId('person'), (close) => {
    form.reset()
    form.onsubmit = (event) => {
      event.preventDefault()
      close(Object.fromEntries([...new FormData(form)].filter(([, value]) => value !== '')))
    }
  })
  return given && call('/people', given)
}
