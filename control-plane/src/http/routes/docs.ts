import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { Hono } from 'hono'
import { NONCE, secureHeaders } from 'hono/secure-headers'

/** What the page needs of Swagger UI, from its own package: the page works without the internet. */
const assets = { 'swagger-ui.css': 'text/css', 'swagger-ui-bundle.js': 'text/javascript' } as const
const resolve = createRequire(import.meta.url).resolve

/** GET /docs: the API reference for people, drawn from the OpenAPI document beside it. */
export function docsRoutes() {
  const app = new Hono()
  app.use(
    '/docs',
    secureHeaders({
      contentSecurityPolicy: {
        defaultSrc: ["'self'"],
        scriptSrc: ["'self'", NONCE],
        styleSrc: ["'self'", "'unsafe-inline'"],
        imgSrc: ["'self'", 'data:'],
      },
    }),
  )
  app.get('/docs', (c) => c.html(page(c.get('secureHeadersNonce') ?? '')))
  for (const [name, type] of Object.entries(assets)) {
    app.get(`/docs/${name}`, async (c) => {
      const headers = { 'content-type': `${type}; charset=utf-8`, 'cache-control': 'public, max-age=86400' }
      return c.body(new Uint8Array(await readFile(resolve(`swagger-ui-dist/${name}`))), 200, headers)
    })
  }
  return app
}

const page = (nonce: string) => `<!doctype html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <title>YourClaw API</title>
  <link rel="stylesheet" href="docs/swagger-ui.css">
</head>
<body>
  <main id="reference"><noscript>This page needs JavaScript; the document itself is at <a href="openapi.json">openapi.json</a>.</noscript></main>
  <script src="docs/swagger-ui-bundle.js"></script>
  <script nonce="${nonce}">SwaggerUIBundle({ url: 'openapi.json', dom_id: '#reference', deepLinking: true, persistAuthorization: false })</script>
</body>
</html>
`
