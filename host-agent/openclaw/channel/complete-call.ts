import type { ToolCall } from 'openclaw/plugin-sdk/channel-core'

type Fields = Record<string, unknown>

/**
 * There is one person and one chat, so a call that leaves out whom it is for means them: else a message would go nowhere.
 * A job that is made in the chat runs for it: with what was said there, and with its result said there, to the person and
 * in the session. OpenClaw's other places (its main session, one of the job's own) know nothing of the chat, and the chat
 * nothing of them. Undefined = the call is good as it is.
 */
export function completeCall(
  { toolName, params }: ToolCall,
  here: { person: string; isChat: boolean },
): { params: object } | undefined {
  switch (toolName) {
    case 'message':
      return params.action === 'send' ? { params: toPerson(params, here.person) } : undefined
    case 'automations':
      return params.action === 'add' ? { params: addJob(params, here) } : undefined
    default:
      return undefined
  }
}

function toPerson({ to: _to, targets: _targets, accountId: _account, ...params }: Fields, person: string) {
  return { ...params, channel: 'yourclaw', target: person }
}

/** A job is given as `job`, or its fields beside `action`. */
function addJob(params: Fields, here: { person: string; isChat: boolean }): object {
  if (!isFields(params.job) || Object.keys(params.job).length === 0) return complete(params, here)
  return { ...params, job: complete(params.job, here) }
}

function complete(job: Fields, { person, isChat }: { person: string; isChat: boolean }): Fields {
  const payload = isFields(job.payload) ? job.payload : {}
  const isTurn = payload.kind === 'agentTurn' || payload.kind === 'systemEvent'
  const atHome =
    isChat && isTurn && !String(job.sessionTarget).startsWith('session:')
      ? { ...job, sessionTarget: 'current', payload: asTurn(payload) }
      : job
  // What stays in the main session finds its own way, and may not name another.
  if (atHome.sessionTarget === 'main') return atHome
  const delivery = isFields(job.delivery) ? job.delivery : {}
  const { mode = 'announce' } = delivery
  return mode === 'announce'
    ? { ...atHome, delivery: { ...delivery, mode, channel: 'yourclaw', to: person } }
    : atHome
}

function asTurn({ text, ...payload }: Fields): Fields {
  return payload.kind === 'systemEvent'
    ? { ...payload, kind: 'agentTurn', message: text }
    : { ...payload, ...(text !== undefined && { text }) }
}

const isFields = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
