export type FormValue = string | FormObject | FormValue[]
export interface FormObject {
  [key: string]: FormValue
}

/** Stripe's form encoding, `items[0][price]=…` or `expand[]=…`, as the tree that it stands for. */
export function decodeForm(text: string): FormObject {
  const root: FormObject = {}
  for (const [key, value] of new URLSearchParams(text)) {
    const path = [
      key.replace(/\[.*$/s, ''),
      ...[...key.matchAll(/\[([^\]]*)\]/g)].map(([, part]) => part ?? ''),
    ]
    if (path.length <= 10 && !path.includes('__proto__')) place(root, path, value)
  }
  return withArrays(root) as FormObject
}

function place(root: FormObject, path: string[], value: string): void {
  let at = root
  for (const part of path.slice(0, -1)) {
    const next = at[part]
    at = at[part] = typeof next === 'object' && !Array.isArray(next) ? next : {}
  }
  const last = path.at(-1) ?? ''
  at[last === '' ? String(Object.keys(at).length) : last] = value
}

/** What has only numbers for keys was an array. */
function withArrays(value: FormValue): FormValue {
  if (typeof value === 'string' || Array.isArray(value)) return value
  const entries = Object.entries(value).map(([key, inner]) => [key, withArrays(inner)] as const)
  const isArray = entries.length > 0 && entries.every(([key]) => /^\d+$/.test(key))
  return isArray ? entries.map(([, inner]) => inner) : Object.fromEntries(entries)
}
