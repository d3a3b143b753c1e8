type Control = HTMLSelectElement | HTMLInputElement
const stateOf = (control: Control) =>
  control instanceof HTMLSelectElement ? control.selectedIndex : control.checked

/** What the controls of the page showed when the scripts came; read while they load, before Svelte takes over. */
const before = new Map<Control, number | boolean>()
if (typeof document !== 'undefined') {
  const controls = document.querySelectorAll<Control>('select, input[type=checkbox], input[type=radio]')
  for (const control of controls) before.set(control, stateOf(control))
}

/** Svelte sets lists, boxes and radios back to what the server said; what somebody chose meanwhile stays chosen. */
export function keepChoices(): void {
  for (const [control, state] of before) {
    if (!control.isConnected || stateOf(control) === state) continue
    if (control instanceof HTMLSelectElement) control.selectedIndex = Number(state)
    else control.checked = state === true
    control.dispatchEvent(new Event('change', { bubbles: true }))
  }
  before.clear()
}
