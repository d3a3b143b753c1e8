import { readFileSync } from 'node:fs'
import { Hono } from 'hono'
import type { Env } from '../faults.ts'

const types = { css: 'text/css', js: 'text/javascript', html: 'text/html' } as const
const assets = [
  'page.css',
  'page.js',
  'dom.js',
  'talk.js',
  'dialogs.js',
  'links.js',
  'telegram.js',
  'whatsapp.js',
] as const

/** The page of both conversations; it needs nothing from outside and no build. */
export function phoneRoutes(): Hono<Env> {
  const app = new Hono<Env>()
  const serve = (file: string, ...paths: string[]) => {
    const text = readFileSync(new URL(`./${file}`, import.meta.url), 'utf8')
    const type = types[file.slice(file.lastIndexOf('.') + 1) as keyof typeof types]
    app.on('GET', paths, (c) => c.body(text, 200, { 'content-type': `${type}; charset=utf-8` }))
  }
  // Links to chats open the phone, as t.me and wa.me do on a real one.
  serve('page.html', '/', '/t.me/:bot', '/wa.me/:number')
  for (const file of assets) serve(file, `/phone/${file}`)
  return app
}
