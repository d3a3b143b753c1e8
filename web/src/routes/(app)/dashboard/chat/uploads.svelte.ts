import type { Attachment } from '#lib/server/api/views.ts'

/** A file on its way to us, or there. */
export interface Upload {
  id: number
  name: string
  /** Of what is sent, from 0 to 1. */
  progress: number
  file?: Attachment
  /** Why it is not there, in words. */
  problem?: string
  /** Nothing is wrong with the file itself. */
  isRetryable?: boolean
}

const maxFiles = 10
const maxBytes = 20 * 1024 * 1024

/** The files of the message that is being written; each is uploaded at once. */
export class Uploads {
  all = $state.raw<Upload[]>([])
  readonly files = $derived(this.all.flatMap(({ file }) => file ?? []))
  /** The first that is not there: no message goes without it. */
  readonly missing = $derived(this.all.find(({ file }) => !file))
  #sources = new Map<number, File>()
  #requests = new Map<number, XMLHttpRequest>()
  #count = 0

  add(files: Iterable<File>): void {
    for (const file of files) this.#add(file)
  }

  remove(id: number): void {
    this.#requests.get(id)?.abort()
    this.#requests.delete(id)
    this.#sources.delete(id)
    this.all = this.all.filter((upload) => upload.id !== id)
  }

  retry(id: number): void {
    const file = this.#sources.get(id)
    if (!file) return
    this.all = this.all.map((upload) => (upload.id === id ? { id, name: upload.name, progress: 0 } : upload))
    this.#send(id, file)
  }

  /** The network is back. */
  retryAll(): void {
    for (const { id, isRetryable } of this.all) if (isRetryable) this.retry(id)
  }

  /** What is uploaded goes with a message; what is not stays. */
  take(): Attachment[] {
    const { all, files } = this
    for (const { id, file } of all) if (file) this.remove(id)
    return files
  }

  #add(file: File): void {
    const id = ++this.#count
    const upload: Upload = { id, name: file.name || 'file', progress: 0 }
    const refusal =
      this.all.length >= maxFiles
        ? `One message takes ${maxFiles} files at most.`
        : file.size > maxBytes
          ? 'This file is larger than 20 MB.'
          : file.size === 0
            ? 'This file is empty.'
            : undefined
    this.all = [...this.all, refusal === undefined ? upload : { ...upload, problem: refusal }]
    if (refusal !== undefined) return
    this.#sources.set(id, file)
    this.#send(id, file)
  }

  /** Not by fetch, which does not tell how much is sent. */
  #send(id: number, file: File): void {
    const request = new XMLHttpRequest()
    this.#requests.set(id, request)
    request.open('POST', `/api/v1/attachments?name=${encodeURIComponent(file.name.slice(0, 200))}`)
    request.setRequestHeader('content-type', file.type || 'application/octet-stream')
    request.responseType = 'json'
    request.upload.onprogress = ({ loaded, total }) => this.#change(id, { progress: loaded / total })
    request.onload = () => {
      const { status, response } = request
      if (status === 201) return this.#change(id, { file: response as Attachment, progress: 1 })
      this.#change(id, {
        problem: (response as { detail?: string } | null)?.detail ?? 'It was not taken.',
        isRetryable: status >= 500 || status === 429,
      })
    }
    request.onerror = () =>
      this.#change(id, { problem: 'It could not be uploaded. Are you offline?', isRetryable: true })
    request.send(file)
  }

  #change(id: number, change: Partial<Upload>): void {
    this.all = this.all.map((upload) => (upload.id === id ? { ...upload, ...change } : upload))
  }
}

/** Why a message waits for this file. */
export function whyWaiting({ name, problem, isRetryable }: Upload): string {
  if (problem === undefined) return `“${name}” is still being uploaded.`
  return isRetryable
    ? `“${name}” is not uploaded yet: try again or take it away.`
    : `“${name}” cannot be sent: take it away first.`
}
