import { z } from 'zod'
import { invalidInput } from '../../errors.ts'
import { credit } from '../../services/operator/credit.ts'
import { type AssistantInspection, inspectAssistant } from '../../services/operator/inspect-assistant.ts'
import { type LimitChange, limitAssistant } from '../../services/operator/limit-assistant.ts'
import { listAssistants } from '../../services/operator/list-assistants.ts'
import { resume, suspend } from '../../services/operator/suspend.ts'
import type { Command } from './commands.ts'
import { facts, table, when } from './print.ts'

const statusSchema = z.enum(['NONE', 'PROVISIONING', 'READY', 'ERROR']).optional()

const boundsOf = (limits: AssistantInspection['limits']) =>
  Object.entries(limits)
    .flatMap(([name, value]) => (value === null ? [] : `${name} ${value}`))
    .join(', ') || 'default'

function inspection(found: AssistantInspection, nowMs: number): string {
  const { suspended, job, lastError } = found
  const parts = [
    facts([
      ['user', `${found.email}  ${found.userId}`],
      ['status', found.status],
      ['suspended', suspended ? `${suspended.reasons.join(', ')}, ${when(suspended.since, nowMs)}` : 'no'],
      ['operator’s note', found.suspendedNote],
      ['error', lastError ? `${lastError.code}: ${lastError.detail}` : null],
      ['job', job ? `${job.status} ${job.step}, attempts ${job.attempts}` : null],
      ['host', found.host ?? null],
      ['container', found.containerId],
      ['model', found.model],
      ['limits', boundsOf(found.limits)],
      ['image', found.image ?? 'default'],
      ['generation', `${found.generation} wanted, ${found.observedGeneration} seen`],
      ['subscription', found.subscription],
      ['messages waiting', found.waitingMessages],
    ]),
  ]
  if (found.changes.length > 0) {
    const rows = found.changes.map((change) => [
      when(change.at, nowMs),
      change.generation,
      change.kind,
      change.status,
      change.step,
      change.error,
    ])
    parts.push(table(['CHANGED', 'GENERATION', 'KIND', 'STATUS', 'STEP', 'ERROR'], rows))
  }
  if (found.audit.length > 0) {
    const rows = found.audit.map(({ at, actor, action, reason }) => [when(at, nowMs), actor, action, reason])
    parts.push(table(['DONE', 'BY', 'WHAT', 'WHY'], rows))
  }
  return parts.join('\n\n')
}

export const assistantCommands: Command[] = [
  {
    name: 'assistants list',
    args: [],
    options: '[--host NAME] [--status READY|PROVISIONING|ERROR] [--suspended]',
    summary: 'Assistants, the latest changed first; at most 500.',
    async run({ ctx, values: { host, status, suspended } }) {
      const wanted = statusSchema.safeParse(status?.toUpperCase())
      if (!wanted.success) throw invalidInput('--status is READY, PROVISIONING, ERROR or NONE.')
      const assistants = await listAssistants({ ctx, input: { host, status: wanted.data, suspended } })
      const rows = assistants.map((line) => [
        line.email,
        line.userId,
        line.suspendedFor.length > 0
          ? `${line.status}, suspended (${line.suspendedFor.join(', ')})`
          : line.status,
        line.host,
        line.model,
        line.lastErrorCode,
        when(line.updatedAt, ctx.clock.now()),
      ])
      const heads = ['USER', 'ID', 'STATUS', 'HOST', 'MODEL', 'ERROR', 'CHANGED']
      return { result: { assistants }, text: rows.length === 0 ? 'There is none.' : table(heads, rows) }
    },
  },
  {
    name: 'assistants inspect',
    args: ['USER'],
    summary: 'One person’s assistant, its changes and what operators did; no message, key or token.',
    async run({ ctx, args: [user = ''] }) {
      const result = await inspectAssistant({ ctx, input: { user } })
      return { result, text: inspection(result, ctx.clock.now()) }
    },
  },
  {
    name: 'assistants suspend',
    args: ['USER'],
    options: '--reason TEXT',
    needs: ['reason'],
    summary: 'Stops an assistant and keeps its data.',
    more: 'Messages wait meanwhile, and their sender is told so once. The reason is for operators alone.',
    async run({ ctx, actor, args: [user = ''], values: { reason = '' } }) {
      const result = await suspend({ ctx, input: { user, reason, actor } })
      return { result, text: result.changed ? 'Suspended.' : 'It was suspended already.' }
    },
  },
  {
    name: 'assistants resume',
    args: ['USER'],
    options: '--reason TEXT',
    needs: ['reason'],
    summary: 'Lets it run again; what waits is answered.',
    async run({ ctx, actor, args: [user = ''], values: { reason = '' } }) {
      const result = await resume({ ctx, input: { user, reason, actor } })
      const others = result.stillSuspendedFor.join(', ')
      const text = result.changed ? 'Resumed.' : 'No operator had suspended it.'
      return { result, text: others === '' ? text : `${text} It stays stopped: ${others}.` }
    },
  },
  {
    name: 'assistants limit',
    args: ['USER'],
    options: '[--memory-mb N] [--cpu-millis N] [--pids N] [--log-mb N] --reason TEXT',
    needs: ['reason'],
    summary: 'Gives it other bounds than everybody’s: a number, or default.',
    more: 'What is not named stays. They apply while it runs; the size of its log with its next container.',
    async run({ ctx, actor, args: [user = ''], values }) {
      const limits: LimitChange = {
        ...limit('memoryMb', values['memory-mb']),
        ...limit('cpuMillis', values['cpu-millis']),
        ...limit('pids', values.pids),
        ...limit('logMb', values['log-mb']),
      }
      const result = await limitAssistant({
        ctx,
        input: { user, limits, reason: values.reason ?? '', actor },
      })
      return { result, text: result.changed ? 'On its way.' : 'It had these already.' }
    },
  },
  {
    name: 'users credit',
    args: ['USER'],
    options: '--dollars N --reference TICKET --reason TEXT',
    needs: ['dollars', 'reference', 'reason'],
    summary: 'Adds to a person’s credit, or takes from it (--dollars=-5).',
    more: 'The same reference is credited once; the person sees it in the ledger.',
    async run({ ctx, actor, args: [user = ''], values: { dollars = '', reference = '', reason = '' } }) {
      const input = { user, amountMicros: parseDollars(dollars), reference, reason, actor }
      const result = await credit({ ctx, input })
      return {
        result,
        text: result.isNew ? 'Credited.' : 'That reference was credited before: nothing was changed.',
      }
    },
  },
]

/** What is no number is refused by the verb. */
const limit = (name: keyof LimitChange, text: string | undefined): LimitChange =>
  text === undefined ? {} : { [name]: text === 'default' ? null : Number(text) }

/** 5, 0.25 or -5: up to six decimals, in micro-dollars. */
function parseDollars(text: string): bigint {
  const [, sign = '', whole = '', decimals = ''] = /^(-?)(\d{1,4})(?:\.(\d{1,6}))?$/.exec(text) ?? []
  if (whole === '') throw invalidInput('--dollars is a number such as 5 or 0.25.', 'invalid_amount')
  const micros = BigInt(whole) * 1_000_000n + BigInt(decimals.padEnd(6, '0'))
  return sign === '-' ? -micros : micros
}
