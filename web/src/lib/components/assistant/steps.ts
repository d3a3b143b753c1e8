import type { Assistant } from '#lib/server/api/views.ts'

export interface Step {
  title: string
  state: 'done' | 'now' | 'waiting' | 'failed'
}

/**
 * What a person sees of an assistant coming up, from the API's `job.step`:
 * queued → placed → starting (or retrying, restarting, pulling, …) → ready, and failed at any of them.
 */
export function stepsOf({ status, job, lastError }: Pick<Assistant, 'status' | 'job' | 'lastError'>): Step[] {
  const titles = ['A place on one of our hosts', 'The assistant starts', 'It answers']
  const reached = status === 'READY' ? 3 : job === undefined || job.step === 'queued' ? 0 : 1
  const failed = status === 'ERROR' || job?.status === 'FAILED' || lastError !== undefined
  return titles.map((title, index) => ({
    title,
    state:
      index < reached
        ? 'done'
        : index > reached
          ? 'waiting'
          : failed && status !== 'PROVISIONING'
            ? 'failed'
            : 'now',
  }))
}

/** The state in one word and one sentence; the shape beside it comes from the tone. */
export function wordsOf(assistant: Assistant): {
  label: string
  tone: 'good' | 'note' | 'bad' | 'warn'
  sentence: string
} {
  const { status, job, suspended } = assistant
  if (suspended && status !== 'NONE') {
    return {
      label: 'Paused',
      tone: 'warn',
      sentence: suspended.reasons.includes('unpaid')
        ? 'Nothing pays for it, so it is stopped, with its memory and files as they are. What you write is not answered meanwhile.'
        : 'It is stopped, with its memory and files as they are. What you write waits until it runs again.',
    }
  }
  switch (status) {
    case 'READY':
      return job && (job.status === 'PENDING' || job.status === 'RUNNING')
        ? { label: 'Changing', tone: 'note', sentence: 'It takes over a change. Messages wait meanwhile.' }
        : { label: 'Ready', tone: 'good', sentence: 'It is up and reads what you write.' }
    case 'PROVISIONING':
      return job && job.attempts > 1
        ? {
            label: 'Trying again',
            tone: 'note',
            sentence: `That was try ${job.attempts - 1} of 3. Nothing you need to do.`,
          }
        : job?.step === 'queued'
          ? {
              label: 'Waiting for a place',
              tone: 'note',
              sentence: 'All hosts are full right now. It starts by itself as soon as there is room.',
            }
          : {
              label: 'Starting',
              tone: 'note',
              sentence: 'This takes seconds as a rule. What you write meanwhile is answered then.',
            }
    case 'ERROR':
      return {
        label: 'Stopped by an error',
        tone: 'bad',
        sentence: 'It is not running. Its memory and files are as they were.',
      }
    case 'NONE':
      return { label: 'None yet', tone: 'note', sentence: 'You have no assistant at the moment.' }
  }
}
