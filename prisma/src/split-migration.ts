/**
 * The scripts that a change is written as: what is one transaction, and each index on a table that was there before, which
 * is built beside its writers and so stands alone (CONTRIBUTING.md).
 */
export function splitMigration(sql: string): { suffix: string; sql: string }[] {
  const made = new Set([...sql.matchAll(/CREATE TABLE "(\w+)"/g)].map(([, table]) => table))
  const parts = sql.split(/^(?=-- )/m)
  const indexOn = (part: string) => /CREATE (?:UNIQUE )?INDEX "(\w+)" ON "(\w+)"/.exec(part)
  const isAlone = (part: string) => {
    const [, , table] = indexOn(part) ?? []
    return table !== undefined && !made.has(table)
  }
  const rest = parts.filter((part) => !isAlone(part)).join('')
  const alone = parts.filter(isAlone).map((part) => ({
    suffix: `_${indexOn(part)?.[1]}`,
    sql: part.replace(/INDEX "/, 'INDEX CONCURRENTLY IF NOT EXISTS "'),
  }))
  return [...(rest.trim() === '' ? [] : [{ suffix: '', sql: rest }]), ...alone]
}
