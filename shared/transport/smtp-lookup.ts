import { lookup } from 'node:dns'
import type { LookupFunction } from 'node:net'

/**
 * Looks a mail host's name up once for all who ask meanwhile. Where DNS is away the system takes its time to say so, and
 * does it on one of the four threads that files and signatures need too: each new try to connect would take another.
 */
export function openSharedLookup(ask: LookupFunction = lookup as LookupFunction): LookupFunction {
  const asked = new Map<string, Parameters<LookupFunction>[2][]>()
  return (host, options, callback) => {
    const key = JSON.stringify([host, options.family, options.hints, options.all])
    const waiting = asked.get(key)
    if (waiting) {
      waiting.push(callback)
      return
    }
    const callbacks = [callback]
    asked.set(key, callbacks)
    ask(host, options, (...answer) => {
      asked.delete(key)
      for (const tell of callbacks) tell(...answer)
    })
  }
}
