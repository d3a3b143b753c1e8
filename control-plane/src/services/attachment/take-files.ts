import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { setTimeout as pause } from 'node:timers/promises'
import type { Attachment } from '@yourclaw/db'
import pLimit from 'p-limit'
import { ServiceError } from '../../errors.ts'
import { plan } from '../../plan.ts'
import type { ConversationCtx } from '../conversation/ctx.ts'
import { userDay } from '../conversation/limits.ts'
import { sendNotice } from '../conversation/send-notice.ts'
import { texts, waitUntil } from '../conversation/texts.ts'
import { turnRecipient } from '../conversation/turn-rows.ts'
import { takeShare } from './day-share.ts'
import { isPlaced, notTaken } from './describe.ts'
import { type FetchDeps, fetchFile, patience, type Try } from './fetch-file.ts'
import { fileLimits, maxPictures, maxTurnFiles } from './limits.ts'
import { openFile } from './open-file.ts'
import { preparePicture } from './prepare-picture.ts'
import { soundSeconds } from './sound-length.ts'
import { filesDayLimitCode } from './store-file.ts'
import { type Heard, type Transcribe, TranscriptionError } from './transcribe.ts'
import { workspacePath } from './workspace-name.ts'

/** Files of one turn at once. */
const atOnce = 4
const transcriptionPauseMs = 1_000

/** A file on its way to an assistant: into its workspace, or, without a path, to be shown to the model. */
export interface HandedFile {
  path: string
  mimeType: string
  sizeBytes: number
  open(): Promise<AsyncIterable<Uint8Array>>
}

export interface TakeDeps extends Omit<FetchDeps, 'ctx'> {
  ctx: ConversationCtx
  /** Undefined: nobody listens to voice messages. */
  transcribe: Transcribe | undefined
}

/**
 * Fetches what the messages of a turn brought along, and listens to what is spoken; whatever an earlier attempt did is
 * not done again. What cannot be taken is told to the person, once, and the turn goes on. Returns what the assistant is
 * to be handed.
 */
export async function takeFiles({
  input,
  ...deps
}: TakeDeps & { input: { turnId: string; signal: AbortSignal } }): Promise<HandedFile[]> {
  const { turnId, signal } = input
  const rows = await deps.ctx.db.attachment.findMany({
    where: { message: { turnId, direction: 'INBOUND' } },
    orderBy: [{ message: { seq: 'asc' } }, { position: 'asc' }],
  })
  // Who listens slowly keeps no file from being fetched.
  const [fetching, listening] = [pLimit(atOnce), pLimit(atOnce)]
  const late = AbortSignal.timeout((deps.patience ?? patience).turnMs)
  const tooMany = rows.splice(maxTurnFiles)
  const take = async (row: Attachment, isLast: boolean): Promise<Taken> => {
    const once = { signal, late, isLast }
    const taken = await fetching(() => unlessGone(deps, row, () => takeStored(deps, row, once)))
    return isUnheard(taken.row)
      ? listening(() => unlessGone(deps, row, () => listen(deps, taken.row, once)))
      : taken
  }
  const taken = await Promise.all(rows.map((row) => take(row, false)))
  // A file holds as much of the day as it may be large: what found no room has what the others left, one at a time.
  for (const [index, { row }] of taken.entries())
    if (row.state === 'WAITING') taken[index] = await take(row, true)
  for (const { row } of taken) if (row.code !== null) await tell(deps.ctx, turnId, row, notTaken(row))
  for (const row of tooMany) await note(deps, row, { state: 'FAILED', code: 'too_many_files' })
  const [first] = tooMany
  if (first) await tell(deps.ctx, turnId, first, texts.tooManyFiles(maxTurnFiles))
  const pictures = taken.flatMap(({ picture }) => picture ?? []).slice(-maxPictures)
  return [...pictures, ...taken.flatMap(({ row }) => placedOf(deps, row))]
}

interface Taken {
  row: Attachment
  picture?: HandedFile
}

async function unlessGone(deps: TakeDeps, row: Attachment, take: () => Promise<Taken>): Promise<Taken> {
  try {
    return await take()
  } catch (error) {
    // Kept, and lost since.
    if (!(error instanceof ServiceError) || error.code !== 'file_gone') throw error
    return { row: await note(deps, row, { state: 'FAILED', code: 'file_unavailable' }) }
  }
}

async function takeStored(deps: TakeDeps, waiting: Attachment, once: Try): Promise<Taken> {
  const row = waiting.state === 'WAITING' ? await fetchFile(deps, waiting, once) : waiting
  const isPicture = row.kind === 'IMAGE' || row.kind === 'STICKER'
  return row.state === 'STORED' && isPicture ? look(deps, row) : { row }
}

const isUnheard = ({ state, kind, transcript, code }: Attachment) =>
  state === 'STORED' && kind === 'AUDIO' && transcript === null && code === null

const read = async (deps: TakeDeps, { id }: Attachment) =>
  (await openFile({ ...deps, input: { attachmentId: id } })).stream

/** One that the model cannot be shown is in the workspace all the same. */
async function look(deps: TakeDeps, row: Attachment): Promise<Taken> {
  const prepared = await preparePicture(await buffer(await read(deps, row)))
  if ('code' in prepared) return { row: await note(deps, row, { code: prepared.code }) }
  const { bytes, mimeType } = prepared
  const picture = { path: '', mimeType, sizeBytes: bytes.length, open: async () => Readable.from([bytes]) }
  return { row, picture }
}

async function listen(deps: TakeDeps, row: Attachment, { signal, late }: Try): Promise<Taken> {
  const { transcribe, ctx } = deps
  const noted = async (data: Parameters<typeof note>[2]) => ({ row: await note(deps, row, data) })
  if (!transcribe) return { row }
  if (late.aborted) return noted({ code: 'transcription_failed' })
  if (Number(row.sizeBytes) > fileLimits.transcribed) return noted({ code: 'sound_too_long' })
  const within = AbortSignal.any([signal, late])
  const input = { bytes: await buffer(await read(deps, row)), mimeType: row.mimeType, signal: within }
  const seconds = soundSeconds(input.bytes)
  if (seconds > plan.listenedMinutesPerDay * 60) return noted({ code: 'sound_too_long' })
  const share = await takeShare({ ctx, input: { userId: row.userId, share: 'heard', wanted: seconds } })
  let heardSeconds = 0
  try {
    if (share.granted < seconds) return await noted({ code: listeningDayLimitCode })
    heardSeconds = seconds
    const heard = await transcribeTwice(transcribe, input)
    heardSeconds = Math.max(seconds, Math.ceil(heard.seconds ?? 0))
    const transcript = heard.text.trim()
    return await noted(transcript === '' ? { code: 'not_heard' } : { transcript })
  } catch (error) {
    if (signal.aborted || !(error instanceof TranscriptionError)) throw error
    if (!error.mayCost) heardSeconds = 0
    return await noted({ code: error.code })
  } finally {
    await share.settle(heardSeconds)
  }
}

function transcribeTwice(transcribe: Transcribe, input: Parameters<Transcribe>[0]): Promise<Heard> {
  return transcribe(input).catch(async (error: unknown) => {
    // What may have cost is not asked for again: it would count once, and cost twice.
    if (!(error instanceof TranscriptionError) || !error.isPassing || error.mayCost) throw error
    await pause(transcriptionPauseMs, undefined, { signal: input.signal }).catch(() => {
      throw error
    })
    return transcribe(input)
  })
}

function note(
  { ctx }: TakeDeps,
  { id }: Attachment,
  data: { code?: string; transcript?: string; state?: 'FAILED' },
) {
  return ctx.db.attachment.update({ where: { id }, data })
}

function placedOf(deps: TakeDeps, row: Attachment): HandedFile[] {
  if (row.state !== 'STORED' || !isPlaced(row)) return []
  const { mimeType, sizeBytes } = row
  return [{ path: workspacePath(row), mimeType, sizeBytes: Number(sizeBytes), open: () => read(deps, row) }]
}

/**
 * In the chat where the file came from (M9); what is over for the day, once of the messages of a day, however late an
 * attempt says it.
 */
async function tell(ctx: ConversationCtx, turnId: string, row: Attachment, text: string): Promise<void> {
  const { userId } = row
  const to = await turnRecipient(ctx.db, turnId)
  const limit = dayLimits[row.code ?? '']
  const said = limit
    ? {
        text: await tillTomorrow(ctx, userId, limit),
        once: { kind: row.code ?? '', key: await dayWritten(ctx, row) },
      }
    : { text, once: { kind: 'file_not_taken', key: row.id } }
  const notice = { userId, code: 'file_not_taken', ...said }
  await sendNotice({ ctx, input: to ? { ...notice, to } : notice })
}

/** The person's day on which its message came; an upload is older. */
async function dayWritten({ db }: ConversationCtx, row: Attachment): Promise<string> {
  const message = await db.message.findUnique({ where: { id: row.messageId ?? '' } })
  return (await userDay(db, row.userId, message?.createdAt ?? row.createdAt)).date
}

async function tillTomorrow(ctx: ConversationCtx, userId: string, words: (wait: string) => string) {
  const now = ctx.clock.now()
  const { endsAt } = await userDay(ctx.db, userId, new Date(now))
  return words(waitUntil(endsAt, now))
}

const listeningDayLimitCode = 'listening_day_limit'
const dayLimits: Record<string, ((wait: string) => string) | undefined> = {
  [filesDayLimitCode]: (wait) => texts.filesInLimit(plan.fileMegabytesInPerDay, wait),
  [listeningDayLimitCode]: (wait) => texts.listeningLimit(plan.listenedMinutesPerDay, wait),
}
