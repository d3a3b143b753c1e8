import nodeAdapter from '@sveltejs/adapter-node'
import { sveltekit } from '@sveltejs/kit/vite'
import tailwindcss from '@tailwindcss/vite'
import { defineConfig } from 'vite'
import { devLog } from './src/lib/server/dev-log.ts'

/** A package that builds for a platform in place of Node; whoever wants it installs it. */
const platform = process.env.WEB_ADAPTER
const adapter = platform ? (await import(platform)).default : nodeAdapter

// SvelteKit 3 reads its settings here; a svelte.config.js is no longer looked at.
export default defineConfig({
  customLogger: devLog({ showsRequests: /^(info|debug|trace)$/.test(process.env.LOG_LEVEL ?? '') }),
  plugins: [
    tailwindcss(),
    sveltekit({
      adapter: adapter(),
      // The policy lives here and not in the hook because only SvelteKit knows the nonce of its own script.
      csp: {
        mode: 'auto',
        directives: {
          'default-src': ['self'],
          'script-src': ['self'],
          'style-src': ['self'],
          // The one style attribute there is: of SvelteKit's own announcer of navigations.
          'style-src-attr': ['unsafe-hashes', 'sha256-S8qMpvofolR8Mpjy4kQvEm7m1q8clzU4dfDH0AmvZjo='],
          'img-src': ['self', 'data:'],
          'font-src': ['self'],
          'connect-src': ['self'],
          'object-src': ['none'],
          'base-uri': ['none'],
          'form-action': ['self'],
          'frame-ancestors': ['none'],
        },
      },
    }),
  ],
})
