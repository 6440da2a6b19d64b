/**
 * Puts things away on Ctrl-C or SIGTERM and ends with 130: Redis, PostgreSQL and sinks know nothing of us, and would outlive
 * a run that is broken off. What is returned takes it back.
 */
export function whenBrokenOff(putAway: () => Promise<unknown>): () => void {
  const breakOff = () => void putAway().finally(() => process.exit(130))
  const signals = ['SIGINT', 'SIGTERM'] as const
  for (const signal of signals) process.once(signal, breakOff)
  return () => {
    for (const signal of signals) process.off(signal, breakOff)
  }
}
