/** What one or more model calls used, by the provider's own figures. Every field counts tokens but `calls`. */
export interface TokenUsage {
  /** All input, cached included. */
  input: number
  /** Of the input: read from a cache, and written to one. */
  cached: number
  cacheWrite: number
  /** All output, reasoning included. */
  output: number
  /** Of the output. */
  reasoning: number
}

export const noUsage: TokenUsage = { input: 0, cached: 0, cacheWrite: 0, output: 0, reasoning: 0 }
