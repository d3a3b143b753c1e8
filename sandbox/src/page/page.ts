import { html, raw } from 'hono/html'
import type { HtmlEscapedString } from 'hono/utils/html'

export type Html = HtmlEscapedString | Promise<HtmlEscapedString>

const style = `
  :root {
    color-scheme: light dark;
    --page: light-dark(#e9edf2, #0e1318); --card: light-dark(#fff, #182028);
    --ink: light-dark(#16202a, #e8eef4); --dim: light-dark(#586674, #93a3b3); --line: light-dark(#d3dce4, #2a3641);
    --accent: light-dark(#1a6fa8, #2b86c4); --bad: light-dark(#b3261e, #ff9d94);
  }
  * { box-sizing: border-box }
  body { margin: 0; min-height: 100dvh; display: grid; place-items: start center; padding: 24px 12px;
    background: var(--page); color: var(--ink); font: 15px/1.5 system-ui, sans-serif }
  main { width: min(100%, 460px); background: var(--card); border: 1px solid var(--line); border-radius: 18px;
    padding: 24px; display: grid; gap: 16px }
  main.wide { width: min(100%, 860px) }
  h1 { font-size: 20px; margin: 0 } h2 { font-size: 15px; margin: 0 } p { margin: 0 }
  small, .dim { color: var(--dim) } small { display: block }
  form, fieldset, ul { display: grid; gap: 10px; margin: 0; padding: 0; border: 0; list-style: none }
  label { display: grid; gap: 4px; font-size: 13px; color: var(--dim) }
  input, select, button { font: inherit; color: inherit; padding: 9px 12px; min-height: 42px; border-radius: 10px;
    border: 1px solid var(--line); background: var(--card); width: 100% }
  button { cursor: pointer; text-align: left } button small { font-weight: 400 }
  button.main { background: var(--accent); color: #fff; border: 0; font-weight: 600; text-align: center }
  a { color: var(--accent) }
  :focus-visible { outline: 2px solid var(--accent); outline-offset: 2px }
  .bad { color: var(--bad) } .row { display: flex; gap: 12px; align-items: baseline; justify-content: space-between;
    flex-wrap: wrap } form.row { display: flex } .row button { width: auto; min-height: 36px; padding: 4px 12px }
  li.card { border: 1px solid var(--line); border-radius: 12px; padding: 12px; display: grid; gap: 8px }
  iframe { width: 100%; height: 60vh; border: 1px solid var(--line); border-radius: 12px; background: #fff }
  pre { white-space: pre-wrap; overflow-wrap: anywhere; margin: 0 }
  nav { display: flex; gap: 16px; flex-wrap: wrap; font-size: 13px }
`

/** A page of a provider: it needs nothing from outside, works without scripts, and says whose it stands for. */
export function page(title: string, body: Html, { wide = false } = {}): Html {
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <title>${title} · Sandbox</title>
        <link rel="icon" href="data:," />
        <style>
          ${raw(style)}
        </style>
      </head>
      <body>
        <main class="${wide ? 'wide' : ''}">${body}</main>
      </body>
    </html>`
}

/** The sandbox's own pages, one step from each other. */
export const places = html`<nav aria-label="Sandbox">
  <a href="/">Phone</a><a href="/resend/inbox">Inbox</a><a href="/stripe">Payments</a
  ><a href="/google">Google accounts</a>
</nav>`
