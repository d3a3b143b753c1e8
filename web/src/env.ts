import { defineEnvVars } from '@sveltejs/kit/env'

/** Checked when the server starts, so a wrong setting is a refusal to start and not a page that fails later. */
export const variables = defineEnvVars({
  API_URL: {
    description: "The control plane's root, without /api/v1. Read by the server only.",
    schema: (value) => {
      const url = new URL(value || 'http://localhost:8000')
      if (url.protocol !== 'http:' && url.protocol !== 'https:') {
        throw new Error('API_URL must start with http:// or https://')
      }
      return url.href.replace(/\/+$/, '')
    },
  },
})
