import type { LanguageFn } from 'highlight.js'
import { createLowlight } from 'lowlight'
import type { Shade } from './highlight.ts'

const lowlight = createLowlight()

interface Node {
  type: string
  value?: string
  properties?: { className?: unknown }
  children?: Node[]
}

/** Code as text under one scope each: a tree and never HTML, so that it can only become text again. */
export function shade(code: string, language: string, grammar: LanguageFn): Shade[] {
  if (!lowlight.registered(language)) lowlight.register(language, grammar)
  const shades: Shade[] = []
  const walk = ({ value, properties, children }: Node, outer: string) => {
    const [first] = Array.isArray(properties?.className) ? properties.className : []
    const scope = typeof first === 'string' ? first.replace(/^hljs-/, '') : outer
    if (value !== undefined) shades.push({ text: value, scope })
    for (const child of children ?? []) walk(child, scope)
  }
  walk(lowlight.highlight(language, code) as Node, '')
  return shades
}
