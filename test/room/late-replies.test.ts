import { afterAll, beforeAll, expect } from 'vitest'
import { openLog } from '../../shared/log/log.ts'
import type { MailingId } from '../../shared/mailing/mailing.ts'
import type { SmtpLimits } from '../../shared/transport/smtp-limits.ts'
import { givenMailing } from '../given/mailing.ts'
import { givenNewsroom } from '../given/newsroom.ts'
import { givenReaders } from '../given/readers.ts'
import { openTestDatabase, type TestDatabase } from '../rig/database.ts'
import { type Engine, openEngine } from '../rig/engine.ts'
import { test } from '../rig/hand-over.ts'
import { type Wire, welcome } from '../rig/scripted-smtp.ts'

let database: TestDatabase
beforeAll(async () => {
  database = await openTestDatabase()
})
afterAll(() => database.close())

const slow = 'slow@readers.example'
type Copy = { readonly to: string; readonly messageId: string }

/** Takes letters; the first to `slow` waits at `step` until the client has given up, and what is said then is too late. */
function slowOnce(step: 'DATA' | 'dot', copies: Copy[]): (wire: Wire) => Promise<void> {
  let isSlow = true
  return async (wire) => {
    await welcome(wire, 'PIPELINING')
    const tooLate = async () => {
      isSlow = false
      await wire.hearEnd()
    }
    for (let to = ''; ; ) {
      const line = await wire.hear()
      if (line === 'QUIT') return wire.end()
      if (line.startsWith('RCPT')) to = line.slice('RCPT TO:<'.length, line.indexOf('>'))
      if (line !== 'DATA') {
        wire.say('250 ok')
        continue
      }
      if (step === 'DATA' && to === slow && isSlow) await tooLate()
      wire.say('354 go on')
      const letter = await wire.hearLetter()
      copies.push({ to, messageId: /^Message-ID: (\S+)/m.exec(letter)![1]! })
      if (step === 'dot' && to === slow && isSlow) await tooLate()
      wire.say('250 2.0.0 taken')
    }
  }
}

async function ledgerOf(mailing: MailingId) {
  const { rows } = await database.pool.query(
    `select b.address, d.state, d.attempt, array(select a.verdict || ' ' || a.phase from attempts a
              where a.mailing_id = d.mailing_id and a.subscription_id = d.subscription_id order by a.attempt) as troubles
       from deliveries d join subscriptions s on s.id = d.subscription_id join subscribers b on b.id = s.subscriber_id
      where d.mailing_id = $1 order by b.address`,
    [mailing],
  )
  return rows
}

const others = ['ada@readers.example', 'bo@readers.example', 'cy@readers.example']
const sent = (address: string) => ({ address, state: 'sent', attempt: 1, troubles: [] })

for (const [step, limits] of [
  ['dot', { dot: 1_000 }],
  ['DATA', { data: 1_000 }],
] as const satisfies [string, Partial<SmtpLimits>][]) {
  test(`a host that answers ${step} later than we wait: ${
    step === 'dot'
      ? 'in doubt, counted once, and sent again under the same Message-ID'
      : 'the letter is tried again later, and nobody has it twice'
  }`, async ({ host, transport }) => {
    const copies: Copy[] = []
    const { url } = await host(slowOnce(step, copies))
    const log = openLog('test', 'silent')
    const engine: Engine = openEngine(database.pool, url, {
      transport: transport(url, { connections: 4, limits, log }),
    })
    const newsroom = await givenNewsroom(database.pool)
    await givenReaders(database.pool, newsroom, [...others, slow])
    const { mailingId } = await givenMailing(database.pool, newsroom)
    await engine.send(mailingId)

    const doubt = await database.pool.query<{ doubted: number }>(
      'select sum(doubted)::int as doubted from chunks where mailing_id = $1',
      [mailingId],
    )
    const toSlow = () => copies.filter(({ to }) => to === slow)
    expect(
      copies
        .filter(({ to }) => to !== slow)
        .map(({ to }) => to)
        .toSorted(),
    ).toEqual(others)
    if (step === 'dot') {
      expect(await ledgerOf(mailingId)).toEqual([
        ...others.map(sent),
        { address: slow, state: 'sent', attempt: 2, troubles: ['in_doubt dot'] },
      ])
      expect(doubt.rows).toEqual([{ doubted: 1 }])
      expect(toSlow()).toHaveLength(2)
      expect(toSlow()[0]).toEqual(toSlow()[1])
    } else {
      expect(await ledgerOf(mailingId)).toEqual([
        ...others.map(sent),
        { address: slow, state: 'deferred', attempt: 1, troubles: ['deferred data'] },
      ])
      expect(toSlow()).toEqual([])
      await database.pool.query('update deliveries set until = now() where mailing_id = $1 and until is not null', [
        mailingId,
      ])
      await database.pool.query('update chunks set next_at = now() where mailing_id = $1', [mailingId])
      await engine.reconcileAndSend()
      expect(toSlow()).toHaveLength(1)
      expect(doubt.rows).toEqual([{ doubted: 0 }])
    }
    await engine.close()
  })
}
