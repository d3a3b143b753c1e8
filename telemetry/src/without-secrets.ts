/** What opens something: in an address's query, in a header, in Telegram's addresses, our signed links, and keys. */
const secrets: readonly [RegExp, string][] = [
  [/([?&](?:[\w-]*(?:token|secret|signature|key)|code|state|start)=)[^&#\s"'\\<>]+/gi, '$1…'],
  [/\b(Bearer|Basic) +[\w.~+/=-]+/gi, '$1 …'],
  [/\/bot\d+:[\w-]+/g, '/bot…'],
  [/(?<![\w-])eyJ[\w-]+\.[\w.-]+/g, '…'],
  [/\b(sk[-_]|whsec_|re_|AIza)[\w-]{16,}/g, '$1…'],
  // Behind an encoded space, too, and as people write it.
  [/(?<![a-z])(yc-)[\w-]{16,}/gi, '$1…'],
  [/(:\/\/[^\s:@/"]{1,100}:)[^\s@/"]{1,200}@/g, '$1…@'],
]

/**
 * A line for a log without what nobody may find there (S8). Nobody logs a secret on purpose; an error of somebody else's
 * quotes the address that it called.
 */
export const withoutSecrets = (line: string): string =>
  secrets.reduce((text, [pattern, instead]) => text.replace(pattern, instead), line)
