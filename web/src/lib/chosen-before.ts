type Control = HTMLSelectElement | HTMLInputElement
const stateOf = (control: Control) =>
  control instanceof HTMLSelectElement ? control.selectedIndex : control.checked

/** What the controls of the page show until Svelte takes over: read while the scripts load, and at every choice since. */
const before = new Map<Control, number | boolean>()
const read = () => {
  for (const control of before.keys()) before.set(control, stateOf(control))
}
if (typeof document !== 'undefined') {
  const controls = document.querySelectorAll<Control>('select, input[type=checkbox], input[type=radio]')
  for (const control of controls) before.set(control, stateOf(control))
  document.addEventListener('change', read, true)
}

/** Svelte sets lists, boxes and radios back to what the server said; what somebody chose meanwhile stays chosen. */
export function keepChoices(): void {
  document.removeEventListener('change', read, true)
  for (const [control, state] of before) {
    if (!control.isConnected || stateOf(control) === state) continue
    if (control instanceof HTMLSelectElement) control.selectedIndex = Number(state)
    else control.checked = state === true
    control.dispatchEvent(new Event('change', { bubbles: true }))
  }
  before.clear()
}
