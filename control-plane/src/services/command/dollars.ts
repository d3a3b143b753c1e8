/** Micro-dollars as people read them, rounded down to a cent. */
export const dollars = (micros: number) =>
  new Intl.NumberFormat('en-US', { style: 'currency', currency: 'USD' }).format(
    Math.floor(micros / 10_000) / 100,
  )
