/** More are as many plans for each connection to keep; statements whose length depends on input are many. */
const maxNamedStatements = 500

/** A statement with a name is parsed once a connection; the first ones asked get one, the rest ''. */
export function createStatementNames(): (text: string) => string {
  const names = new Map<string, string>()
  return (text) => {
    const name = names.get(text) ?? (names.size < maxNamedStatements ? `s${names.size}` : '')
    if (name !== '') names.set(text, name)
    return name
  }
}
