import { readFileSync } from 'node:fs'
import { Hono } from 'hono'
import type { Env } from '../faults.ts'

const types = { css: 'text/css', js: 'text/javascript', html: 'text/html' } as const
const assets = ['page.css', 'page.js', 'dom.js', 'telegram.js', 'whatsapp.js'] as const

/** The page of both conversations; it needs nothing from outside and no build. */
export function phoneRoutes(): Hono<Env> {
  const app = new Hono<Env>()
  const serve = (path: string, file: string) => {
    const text = readFileSync(new URL(`./${file}`, import.meta.url), 'utf8')
    const type = types[file.slice(file.lastIndexOf('.') + 1) as keyof typeof types]
    app.get(path, (c) => c.body(text, 200, { 'content-type': `${type}; charset=utf-8` }))
  }
  serve('/', 'page.html')
  for (const file of assets) serve(`/phone/${file}`, file)
  return app
}
