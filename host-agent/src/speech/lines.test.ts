import { expect, test } from 'vitest'
import { createLines } from './lines.ts'
import type { Spoken } from './spool.ts'

const says = (assistantId: string) => ({ id: crypto.randomUUID(), assistantId, text: 'hello' }) as Spoken

test('F8: an assistant that falls silent and comes back gets in before nobody who waits', () => {
  const lines = createLines()
  const [waits, other] = [says('waits'), says('other')]
  const order = (...waiting: Spoken[]) =>
    lines.inTurn(waiting).map(({ spoken, line }) => ({ who: spoken.assistantId, line }))
  const who = (...waiting: Spoken[]) => order(...waiting).map((one) => one.who)
  for (const { line } of order(waits, other)) lines.serve(line)
  // Both have more to say, and one has not.
  expect(who(says('waits'))).toEqual(['waits'])
  expect(who(says('other'), says('waits'))).toEqual(['waits', 'other'])
  for (const { who, line } of order(says('waits'), says('other'))) if (who === 'waits') lines.serve(line)
  expect(who(says('waits'), says('other'))).toEqual(['other', 'waits'])
})
