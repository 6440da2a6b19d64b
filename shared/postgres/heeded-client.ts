import pg from 'pg'

type Ask = (...asked: unknown[]) => unknown
type Heard = (error: Error | null, ...rest: unknown[]) => void

/** Statements not answered yet, and when the last answer came. */
type Heed = { asked: number; heardAt: number }

/** The connections of this process, whoever opened them. */
const open = new Map<pg.Client, Heed>()

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
  constructor(config?: string | pg.ClientConfig) {
    super(config)
    heed(this)
  }
}

function heed(client: pg.Client): void {
  const mine: Heed = { asked: 0, heardAt: performance.now() }
  client.on('error', () => {})
  open.set(client, mine)
  client.once('end', () => open.delete(client))
  // Not as a method of its own, which would have to repeat all the ways it may be called.
  const ask = client.query.bind(client) as Ask
  client.query = ((...asked: unknown[]) => {
    const askedAt = performance.now()
    mine.asked += 1
    const note = (error: Error | null) => {
      mine.asked -= 1
      if (error?.message === givenUp) hangUpWith(client, (askedAt + performance.now()) / 2)
      else mine.heardAt = performance.now()
    }
    // pg-pool asks with a callback, everybody else for a promise.
    const last = asked.at(-1)
    if (typeof last === 'function') {
      const heard: Heard = (error, ...rest) => {
        note(error)
        last(error, ...rest)
      }
      return ask(...asked.slice(0, -1), heard)
    }
    const answer = ask(...asked) as Promise<unknown>
    answer.then(() => note(null), note)
    return answer
  }) as typeof client.query
}

function hangUpWith(silent: pg.Client, since: number): void {
  hangUp(silent, 'hung up, because it did not answer')
  for (const [other, { asked, heardAt }] of open)
    if (asked === 0 && heardAt < since && other.host === silent.host && other.port === silent.port)
      hangUp(other, 'hung up, because another connection to the same server fell silent')
}

const hangUp = (client: pg.Client, why: string) => client.connection.stream.destroy(new Error(why))

const givenUp = 'Query read timeout'
