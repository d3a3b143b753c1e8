import { Readable } from 'node:stream'
import type { Ctx } from '../../context.ts'
import { readProfile } from '../account/read-profile.ts'
import { listKeys } from '../api-key/list-keys.ts'
import { viewColumns, viewOf } from '../attachment/attachment.ts'
import { exportedName } from './attached-files.ts'

/** One file of an export, made when its turn comes. */
export interface ExportFile {
  name: string
  open(): Promise<Readable>
}

const pageSize = 1_000

/**
 * Everything we hold of a person, as JSON; what would let somebody act in their place (keys, tokens) is named without its
 * value. `onMessages` hears how many messages were written so far. Large tables are read in pages.
 */
export function exportContents(
  ctx: Ctx,
  userId: string,
  onMessages: (written: number) => void,
): ExportFile[] {
  const { db } = ctx
  const mine = { where: { userId }, orderBy: { createdAt: 'asc' } } as const
  const json = (name: string, read: () => Promise<unknown>): ExportFile => ({
    name,
    open: async () => Readable.from([stringify(await read())]),
  })
  const list = (name: string, rows: () => AsyncGenerator<object>): ExportFile => ({
    name,
    open: async () => Readable.from(asArray(rows())),
  })
  return [
    { name: 'README.txt', open: async () => Readable.from([readme]) },
    json('settings/profile.json', () => readProfile({ ctx, input: { userId } })),
    json('settings/chats.json', () =>
      db.userPhone.findMany({
        where: { userId },
        orderBy: { boundAt: 'asc' },
        omit: { id: true, userId: true },
      }),
    ),
    json('settings/api-keys.json', () => listKeys({ ctx, input: { userId } })),
    json('settings/integrations.json', () =>
      db.userIntegration.findMany({
        ...mine,
        select: { service: true, accountEmail: true, scopes: true, createdAt: true },
      }),
    ),
    json('settings/permissions.json', () => db.toolPermission.findMany({ ...mine, omit: { userId: true } })),
    list('actions.json', () =>
      pages((cursor) =>
        db.toolAction.findMany({
          where: { userId, ...(cursor && { id: { gt: cursor } }) },
          orderBy: { id: 'asc' },
          take: pageSize,
          omit: { userId: true, reference: true },
        }),
      ),
    ),
    json('settings/sign-in.json', () => db.userIdentity.findMany({ ...mine, omit: { userId: true } })),
    json('settings/subscriptions.json', () => db.subscription.findMany({ ...mine, omit: { userId: true } })),
    json('settings/history.json', () =>
      db.auditEvent.findMany({
        where: { subject: `user:${userId}` },
        orderBy: { createdAt: 'asc' },
        select: { action: true, data: true, createdAt: true },
      }),
    ),
    list('messages.json', () => messages(ctx, userId, onMessages)),
    json('reactions.json', () => db.reaction.findMany({ ...mine, select: { text: true, createdAt: true } })),
    json('usage/messages-per-day.json', () =>
      db.usageDaily.findMany({ where: { userId }, orderBy: { date: 'asc' }, omit: { userId: true } }),
    ),
    list('usage/model-calls.json', () =>
      pages((cursor) =>
        db.usageEvent.findMany({
          where: { userId, ...(cursor && { id: { gt: cursor } }) },
          orderBy: { id: 'asc' },
          take: pageSize,
          omit: { userId: true, hostServerId: true, reportKey: true },
        }),
      ),
    ),
    list('usage/credits.json', () =>
      pages((cursor) =>
        db.creditEntry.findMany({
          where: { userId, ...(cursor && { id: { gt: cursor } }) },
          orderBy: { id: 'asc' },
          take: pageSize,
          omit: { userId: true },
        }),
      ),
    ),
  ]
}

async function* messages({ db }: Ctx, userId: string, onWritten: (written: number) => void) {
  let written = 0
  for (let seq = -1n; ; ) {
    const page = await db.message.findMany({
      where: { userId, seq: { gt: seq } },
      orderBy: { seq: 'asc' },
      take: pageSize,
      select: {
        seq: true,
        createdAt: true,
        direction: true,
        kind: true,
        channel: true,
        body: true,
        written: true,
        editedFrom: true,
        context: true,
        state: true,
        attachments: { orderBy: { position: 'asc' }, select: viewColumns },
      },
    })
    for (const { seq: _, createdAt: at, attachments, ...message } of page) {
      const files = attachments.map((file) => ({ ...viewOf(file), file: exportedName(file) }))
      yield { at, ...message, ...(files.length > 0 && { files }) }
    }
    written += page.length
    onWritten(written)
    const last = page.at(-1)
    if (last === undefined) return
    seq = last.seq
  }
}

/** Ids ascend with time: each page begins after the last one. */
async function* pages<Row extends { id: string }>(read: (cursor: string | undefined) => Promise<Row[]>) {
  for (let cursor: string | undefined; ; ) {
    const page = await read(cursor)
    for (const { id: _, ...row } of page) yield row
    cursor = page.at(-1)?.id
    if (cursor === undefined) return
  }
}

async function* asArray(rows: AsyncGenerator<object>): AsyncGenerator<string> {
  let before = '[\n'
  for await (const row of rows) {
    yield before + JSON.stringify(row, plainNumbers)
    before = ',\n'
  }
  yield before === '[\n' ? '[]\n' : '\n]\n'
}

const stringify = (value: unknown) => `${JSON.stringify(value, plainNumbers, 2)}\n`

/** Counts and micro-dollars stay far below 2^53. */
const plainNumbers = (_: string, value: unknown) => (typeof value === 'bigint' ? Number(value) : value)

const readme = `Your data at YourClaw.

messages.json       what you and your assistant wrote, oldest first, with the names of its files
files/              the files of these messages that are still kept
reactions.json      your latest reactions to messages
usage/              messages and model calls, and the ledger of your credit (costs in millionths of a dollar)
settings/           profile, connected chats, subscriptions and what was changed when; keys without their values
assistant.tar.gz    the memory ("config") and the files ("workspace") of your assistant, when you had one

Times are in UTC.
`
