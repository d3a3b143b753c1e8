import { defineEnvVars } from '@sveltejs/kit/env'

/** Checked when the server starts, so a wrong setting is a refusal to start and not a page that fails later. */
export const variables = defineEnvVars({
  API_URL: {
    description: "The control plane's root, without /api/v1. Read by the server only.",
    schema: (value) => webAddress('API_URL', value || 'http://localhost:8000').href.replace(/\/+$/, ''),
  },
  GA_MEASUREMENT_ID: {
    description: 'Google Analytics 4, loaded after consent only; none by default.',
    schema: (value) => {
      if (value && !/^G-[A-Z0-9]{4,20}$/.test(value))
        throw new Error('GA_MEASUREMENT_ID is not like G-XXXXXXX')
      return value || undefined
    },
  },
})

function webAddress(name: string, value: string): URL {
  const url = new URL(value)
  if (url.protocol !== 'http:' && url.protocol !== 'https:')
    throw new Error(`${name} must start with http:// or https://`)
  return url
}
