import type { Pool } from '../../shared/postgres/pool.ts'

/** The pool and every connection of it, writing down each statement they run, without its values. */
export const watchStatements = (real: Pool, asked: string[]): Pool =>
  before(real, (text) => {
    asked.push(text)
  })

/** The pool of a process that stands still once it would run a statement like this one, which `goOn` lets it do. */
export function standingStill(real: Pool, at: RegExp): { pool: Pool; stands(): boolean; goOn(): void } {
  let stands = false
  let goOn = () => {}
  const over = new Promise<void>((resolve) => {
    goOn = resolve
  })
  const pool = before(real, (text) => {
    if (!at.test(text)) return
    stands = true
    return over
  })
  return { pool, stands: () => stands, goOn }
}

/** The pool, in which the first answer to a statement like this one is read only when `meanwhile` is over. */
export function answeringLate(real: Pool, to: RegExp, meanwhile: () => Promise<unknown>): Pool {
  let isOver = false
  return new Proxy(real, {
    get: (target, name) => {
      const value = Reflect.get(target, name)
      if (typeof value !== 'function') return value
      if (name !== 'query') return value.bind(target)
      return async (...given: readonly unknown[]) => {
        const [statement] = given
        const answer = await value.apply(target, given)
        if (isOver || !to.test(textOf(statement))) return answer
        isOver = true
        await meanwhile()
        return answer
      }
    },
  })
}

/** The pool and every connection of it, acting before each statement, which waits where there is something to wait for. */
function before(real: Pool, act: (text: string) => Promise<void> | undefined | void): Pool {
  const watch = <Asked extends object>(one: Asked, more: (name: string | symbol) => unknown): Asked =>
    new Proxy(one, {
      get: (target, name) => {
        const value = more(name) ?? Reflect.get(target, name)
        if (typeof value !== 'function') return value
        if (name !== 'query') return value.bind(target)
        return (...given: readonly unknown[]) => {
          const [statement] = given
          const waited = act(textOf(statement))
          return waited ? waited.then(() => value.apply(target, given)) : value.apply(target, given)
        }
      },
    })
  const connect = async () => watch(await real.connect(), () => undefined)
  return watch(real, (name) => (name === 'connect' ? connect : undefined))
}

const textOf = (statement: unknown) =>
  typeof statement === 'string' ? statement : String((statement as { text?: unknown })?.text)
