/** Makes an element; fields are its properties. */
export function element(tag, fields = {}, ...children) {
  const made = Object.assign(document.createElement(tag), fields)
  made.append(...children)
  return made
}

const sizeOf = (bytes) =>
  bytes < 1e3
    ? `${bytes} bytes`
    : bytes < 1e6
      ? `${Math.round(bytes / 1e3)} kB`
      : `${(bytes / 1e6).toFixed(1)} MB`

/** A picture, or something to play, as what it is; any other file as a link; the words below. */
export function withFile(file, words) {
  if (!file) return words
  const { name = 'file', mimeType, sizeBytes, url } = file
  const [kind] = mimeType.split('/')
  const shown =
    kind === 'image'
      ? element('img', { src: url, alt: name })
      : kind === 'audio' || kind === 'video'
        ? element(kind, { src: url, controls: true, preload: 'metadata' })
        : element('a', { href: url, download: name, textContent: `${name} (${sizeOf(sizeBytes)})` })
  return element('div', {}, shown, words ? element('p', {}, words) : '')
}

/** Calls the sandbox's own API; with a body it posts. */
export async function call(path, body) {
  const response = await fetch(
    `/sim${path}`,
    body && {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    },
  )
  const answer = await response.json()
  if (!response.ok) throw new Error(answer.detail)
  return answer
}
