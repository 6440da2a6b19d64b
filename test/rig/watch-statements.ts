import type { Pool } from '../../shared/postgres/pool.ts'

/** The pool and every connection of it, writing down each statement they run, without its values. */
export function watchStatements(real: Pool, asked: string[]): Pool {
  const watch = <Asked extends object>(one: Asked, more: (name: string | symbol) => unknown): Asked =>
    new Proxy(one, {
      get: (target, name) => {
        const value = more(name) ?? Reflect.get(target, name)
        if (typeof value !== 'function') return value
        if (name !== 'query') return value.bind(target)
        return (...given: readonly unknown[]) => {
          const [statement] = given
          asked.push(typeof statement === 'string' ? statement : String((statement as { text?: unknown })?.text))
          return value.apply(target, given)
        }
      },
    })
  const connect = async () => watch(await real.connect(), () => undefined)
  return watch(real, (name) => (name === 'connect' ? connect : undefined))
}
