import pg from 'pg'

type Ask = (...asked: unknown[]) => unknown
type Heard = (error: Error | null, ...rest: unknown[]) => void

/** The connections of this process, whoever opened them. */
const open = new Set<HeededClient>()

/**
 * A connection to PostgreSQL, for every pool there is, and for those that listen; BullMQ's too.
 *
 * One that breaks in the middle of a transaction, between two statements, tells nobody but itself, and without a listener
 * ends the process. Whoever holds it learns by the next statement.
 *
 * One that falls silent, because a firewall has forgotten it or another server has taken the place of its own, tells
 * nobody at all: its statement is given up after `query_timeout`, and it with it, because it would be as silent to the
 * next. Others that went the same way and have not been heard of in the second half of that time are hung up as well, else
 * each would cost as long again as soon as it is asked. (Not in all of it: its own question was on its way for a moment in
 * which others were still answered.)
 */
export class HeededClient extends pg.Client {
  /** Statements not answered yet. */
  #asked = 0
  #heardAt = performance.now()

  constructor(config?: string | pg.ClientConfig) {
    super(config)
    this.on('error', () => {})
    open.add(this)
    this.once('end', () => open.delete(this))
    // Not as a method of its own, which would have to repeat all the ways it may be called.
    this.query = this.#noting(this.query as Ask) as typeof this.query
  }

  #noting(ask: Ask): Ask {
    return (...asked) => {
      const askedAt = performance.now()
      this.#asked += 1
      const note = (error: Error | null) => {
        this.#asked -= 1
        if (error?.message === givenUp) this.#hangUpSilent((askedAt + performance.now()) / 2)
        else this.#heardAt = performance.now()
      }
      // pg-pool asks with a callback, everybody else for a promise.
      const last = asked.at(-1)
      if (typeof last === 'function') {
        const heard: Heard = (error, ...rest) => {
          note(error)
          last(error, ...rest)
        }
        return ask.call(this, ...asked.slice(0, -1), heard)
      }
      const answer = ask.call(this, ...asked) as Promise<unknown>
      answer.then(() => note(null), note)
      return answer
    }
  }

  #hangUpSilent(since: number): void {
    this.#hangUp('hung up, because it did not answer')
    for (const other of open)
      if (other.#asked === 0 && other.#heardAt < since && other.host === this.host && other.port === this.port)
        other.#hangUp('hung up, because another connection to the same server fell silent')
  }

  #hangUp(why: string): void {
    this.connection.stream.destroy(new Error(why))
  }
}

const givenUp = 'Query read timeout'
