import type { ContentStore } from '../channels/sender.ts'

/** For tests in which nothing is asked with buttons. */
export const noContents: ContentStore = {
  take: async () => null,
  keep: async () => {},
  putOff: async () => {},
  forget: async () => {},
}
