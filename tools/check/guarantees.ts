/**
 * Keeps docs/guarantees.md true: a test it names must exist and carry the number, and a number that a test carries
 * must be named. Whether the test proves the whole promise stays a person's judgement.
 */
const row = /^\| ([MISFBDO]\d+) +\|.*\| (kept|in part|not yet) +\|(.*)\|$/gm
const testName = /\b(?:test|it)(?:\.\w+)*(?:\([^'"`]*\))?\(\s*['"`]((?:[MISFBDO]\d+(?:, | and )?)+):/g

/** A number that is not followed by a colon would go unseen. */
const unseen =
  /\b(?:test|it)(?:\.\w+)*(?:\([^'"`]*\))?\(\s*['"`][MISFBDO]\d+(?!\d|(?:(?:, | and )[MISFBDO]\d+)*:)[^'"`]*/g

/** Problems in words; none when the page is true. `tests` maps paths of test files to their texts. */
export function guaranteeProblems(page: string, tests: ReadonlyMap<string, string>): string[] {
  const proofs = proofsIn(tests)
  const rows = [...page.matchAll(row)].map(([, number = '', state = '', files = '']) => ({
    number,
    state,
    files,
  }))
  const known = new Set(rows.map(({ number }) => number))
  const unknown = [...proofs.keys()].filter((number) => !known.has(number))
  return [
    ...[...tests].flatMap(([path, text]) =>
      [...text.matchAll(unseen)].map(([name]) => `${path}: “${name}” needs a colon after its numbers`),
    ),
    ...unknown.map((number) => `${number}: a test carries this number and the page does not know it`),
    ...rows.flatMap(({ number, state, files }) => {
      const named = [...files.matchAll(/\]\(\.\.\/([^)]+)\)/g)].map(([, path = '']) => path)
      const proved = proofs.get(number) ?? []
      return [
        ...named
          .filter((path) => !proved.includes(path))
          .map((path) => `${number}: ${path} has no test of it`),
        ...proved.filter((path) => !named.includes(path)).map((path) => `${number}: ${path} is not named`),
        ...((state === 'not yet') === (named.length === 0)
          ? []
          : [`${number}: “${state}” does not fit its tests`]),
      ]
    }),
  ]
}

function proofsIn(tests: ReadonlyMap<string, string>): Map<string, string[]> {
  const proofs = new Map<string, string[]>()
  for (const [path, text] of tests) {
    const numbers = [...text.matchAll(testName)].flatMap(
      ([, names = '']) => names.match(/[MISFBDO]\d+/g) ?? [],
    )
    for (const number of new Set(numbers)) proofs.set(number, [...(proofs.get(number) ?? []), path])
  }
  return proofs
}
