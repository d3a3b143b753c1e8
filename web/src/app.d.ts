import type { Api } from '#lib/server/api/client.ts'

declare global {
  namespace App {
    interface Locals {
      /** The control plane, as the person whose browser asks. */
      api: Api
    }
    interface Error {
      /** The API's code, where it said one. */
      code?: string
    }
  }
}
