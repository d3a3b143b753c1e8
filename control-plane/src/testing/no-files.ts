import type { OutgoingFiles } from '../channels/sender.ts'

/** For tests in which nothing is sent but words. */
export const noFiles: OutgoingFiles = {
  open: () => Promise.reject(new Error('there are no files')),
  link: () => Promise.reject(new Error('there are no files')),
}
