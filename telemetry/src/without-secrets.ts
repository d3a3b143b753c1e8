/** What opens something: in an address's query, in a header, in Telegram's addresses, our signed links, and keys. */
const secrets: readonly [RegExp, string][] = [
  [/([?&](?:[\w-]*(?:token|secret|signature|key)|code|state|start)=)[^&#\s"'\\<>]+/gi, '$1…'],
  [/\b(Bearer|Basic) +[\w.~+/=-]+/gi, '$1 …'],
  [/\/bot\d+:[\w-]+/g, '/bot…'],
  [/\beyJ[\w-]+\.[\w.-]+/g, '…'],
  [/\b(sk[-_]|yc-|YC-|whsec_|re_)[\w-]{16,}/g, '$1…'],
]

/**
 * A line for a log without what nobody may find there (S8). Nobody logs a secret on purpose; an error of somebody else's
 * quotes the address that it called.
 */
export const withoutSecrets = (line: string): string =>
  secrets.reduce((text, [pattern, instead]) => text.replace(pattern, instead), line)
