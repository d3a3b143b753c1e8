import { type Ctx, inTransaction } from '../../context.ts'
import { enqueueMail } from '../mail/enqueue-mail.ts'
import { type AlertKind, alertMailKey } from './raise-alert.ts'

/** Where to look first; docs/operations.md says more. */
const hints: Record<AlertKind, string> = {
  no_capacity: 'Join a host, or uncordon one: they are placed by themselves.',
  host_silent:
    'Look at the agent and the network of that host; its assistants run on, and nobody reaches them.',
  crash_loop: 'Inspect one of them; its owner sees the reason, and a restart tries again.',
  disk: 'Make room below ASSISTANT_DATA_DIR: it takes nobody new until then.',
  orphans: 'Give the word to end them (hosts remove-orphans), or find out why they are not placed there.',
  erasures_late: 'Somebody asked to be forgotten and still is not: look at the log for what holds it up.',
  shared_key: 'Look at the account at that provider, and set a key that works.',
  dead_letters: 'List them, mend what their code names, and send them again.',
}

/** Mails operators what was raised since the last time and lasts, and logs it; however many replicas do it, once. */
export function mailAlerts({ ctx }: { ctx: Ctx }): Promise<void> {
  return inTransaction(ctx, async (tx) => {
    const raised = await tx.alert.updateManyAndReturn({
      where: { mailedAt: null, endedAt: null },
      data: { mailedAt: new Date(ctx.clock.now()) },
    })
    for (const { id, cause, detail, raisedAt } of raised) {
      ctx.log.warn({ cause, detail }, 'alert')
      const [kind] = cause.split(':')
      const props = { cause, detail, hint: hints[kind as AlertKind] ?? '', raisedAt: raisedAt.toISOString() }
      const to = ctx.settings.operatorEmails
      await enqueueMail({ tx, to, template: 'operator-alert', props, key: alertMailKey(id) })
    }
  })
}
