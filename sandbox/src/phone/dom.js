/** Makes an element; fields are its properties. */
export function element(tag, fields = {}, ...children) {
  const made = Object.assign(document.createElement(tag), fields)
  made.append(...children)
  return made
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
