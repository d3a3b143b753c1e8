/**
 * One look for all who ask the same while the look before theirs is under way: nobody gets an answer that is older
 * than the question.
 */
export function shareLooks<Answer>(look: (key: string) => Promise<Answer>): (key: string) => Promise<Answer> {
  interface Looks {
    current: Promise<unknown>
    next?: Promise<Answer>
  }
  const running = new Map<string, Looks>()

  function begin(key: string): Promise<Answer> {
    const answer = look(key)
    const looks: Looks = { current: answer }
    running.set(key, looks)
    const end = () => {
      if (running.get(key) === looks) running.delete(key)
    }
    answer.then(end, end)
    return answer
  }
  return (key) => {
    const looks = running.get(key)
    if (!looks) return begin(key)
    looks.next ??= looks.current.then(
      () => begin(key),
      () => begin(key),
    )
    return looks.next
  }
}
