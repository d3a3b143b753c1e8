/**
 * What a phone does with a link to a chat, as t.me and wa.me are served here: `words` is what the link writes, `sends`
 * whether Telegram's start button does.
 */
export function linkIn({ pathname, searchParams }) {
  const [, host, chat] = pathname.split('/')
  if (!chat || !['t.me', 'wa.me'].includes(host)) return undefined
  const code = host === 't.me' ? searchParams.get('start') : null
  return {
    app: host === 't.me' ? 'telegram' : 'whatsapp',
    words: code === null ? (searchParams.get('text') ?? '') : `/start ${code}`,
    sends: code !== null,
  }
}
