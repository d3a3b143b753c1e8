import { sanitize } from '../conversation/sanitize.ts'

const maxLength = 120

/** A name as it may be shown: one line, not long, without folders or marks that turn a line of text around. */
export function shownName(given: string): string {
  const line = sanitize(given).replace(/[\s\u2028\u2029]+/g, ' ')
  const base = line.slice(Math.max(line.lastIndexOf('/'), line.lastIndexOf('\\')) + 1)
  return shorten(base.replace(/[\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff]/g, '').trim())
}

/** The extension is what a program goes by: it stays. */
function shorten(name: string): string {
  const characters = [...name]
  if (characters.length <= maxLength) return name
  const extension = /\.[A-Za-z0-9]{1,10}$/.exec(name)?.[0] ?? ''
  return characters.slice(0, maxLength - extension.length).join('') + extension
}
