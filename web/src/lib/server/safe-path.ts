/** A path on our own origin, or the fallback: what a link or a form names is never somebody else's site (I6). */
export function safePath(value: string | null | undefined, fallback: string): string {
  // Browsers read a backslash as a slash, and drop tabs and line breaks.
  if (!value?.startsWith('/') || /[\\\p{Cc}]/u.test(value)) return fallback
  const base = 'http://here.invalid'
  const url = URL.parse(value, base)
  // Looked at once more as it came out: `/..//host` becomes `//host`.
  return url?.origin === base && !url.pathname.startsWith('//')
    ? url.pathname + url.search + url.hash
    : fallback
}
