import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { MailingId } from '../../shared/mailing/mailing.ts'
import { type MailDns, openReceivingDomains } from '../../workers/mailer/receiving-domains.ts'
import { givenMailing } from '../given/mailing.ts'
import { givenNewsroom } from '../given/newsroom.ts'
import { givenReaders } from '../given/readers.ts'
import { openTestDatabase, type TestDatabase } from '../rig/database.ts'
import { openEngine } from '../rig/engine.ts'
import { openNoticeSender } from '../rig/notice-sender.ts'
import { follow, readerHouse } from '../rig/reader-house.ts'
import { scriptedTransport } from '../rig/scripted-transport.ts'

const fault = (code: string) => Promise.reject(Object.assign(new Error(code), { code }))
const nxdomain = () => fault('ENOTFOUND')
const noData = () => fault('ENODATA')

/** A DNS in which every name is answered alike, and how often it was asked. */
function playDns(answers: Partial<MailDns>) {
  const asked: string[] = []
  const dns: MailDns = {
    resolveMx: (domain) => {
      asked.push(domain)
      return (answers.resolveMx ?? nxdomain)(domain)
    },
    resolve4: answers.resolve4 ?? nxdomain,
    resolve6: answers.resolve6 ?? nxdomain,
  }
  return { dns, asked }
}

const never = () => new Promise<never>(() => {})
const cases: [string, Partial<MailDns>, boolean][] = [
  ['knows no such name', {}, true],
  ['says that it takes no mail (null MX)', { resolveMx: async () => [{ priority: 0, exchange: '' }] }, true],
  ['has a mail host for it', { resolveMx: async () => [{ priority: 10, exchange: 'mx.example' }] }, false],
  ['has no MX record, and the name', { resolveMx: noData }, false],
  ['has no MX record, and an address', { resolve4: async () => ['192.0.2.1'] }, false],
  ['has no MX record, and an IPv6 address', { resolve6: async () => ['2001:db8::1'] }, false],
  ['answers SERVFAIL', { resolveMx: () => fault('ESERVFAIL') }, false],
  ['answers SERVFAIL in part', { resolve4: () => fault('ESERVFAIL') }, false],
  ['cannot be reached', { resolveMx: () => fault('ECONNREFUSED') }, false],
  ['does not answer in time', { resolveMx: never }, false],
]

describe('a receiving domain of which DNS', () => {
  test.for(cases)('%s is nowhere, or not: %s', async ([, answers, isNowhere]) => {
    expect(await openReceivingDomains(playDns(answers).dns, 20).isNowhere('gone.example')).toBe(isNowhere)
  })

  test('is asked once, however many of its readers there are', async () => {
    const { dns, asked } = playDns({})
    const domains = openReceivingDomains(dns)
    await Promise.all(Array.from({ length: 50 }, () => domains.isNowhere('gone.example')))
    await domains.isNowhere('gone.example')
    expect(asked).toEqual(['gone.example'])
  })
})

describe('a mail host that says a reader’s domain does not exist', () => {
  let database: TestDatabase
  beforeAll(async () => {
    database = await openTestDatabase()
  })
  afterAll(() => database.close())

  const transport = scriptedTransport(async ({ envelope: { to } }) =>
    to.endsWith('@readers.example')
      ? { kind: 'accepted', reply: { code: 250, enhanced: '2.0.0', text: 'taken' } }
      : { kind: 'refused', phase: 'rcpt', reply: { code: 550, enhanced: '5.1.2', text: 'Host not found' } },
  )
  async function sendTo(addresses: readonly string[], dns: MailDns): Promise<MailingId> {
    const receivingDomains = openReceivingDomains(dns, 50)
    const engine = openEngine(database.pool, 'smtp://127.0.0.1:1', { transport, receivingDomains })
    const newsroom = await givenNewsroom(database.pool)
    await givenReaders(database.pool, newsroom, addresses)
    const { mailingId } = await givenMailing(database.pool, newsroom)
    await engine.send(mailingId)
    await engine.close()
    return mailingId
  }
  const told = async (mailing: MailingId) => {
    const { rows } = await database.pool.query(
      `select b.address, d.state, x.reason from deliveries d join subscriptions s on s.id = d.subscription_id
         join subscribers b on b.id = s.subscriber_id left join suppressions x on x.address_hash = b.address_hash
        where d.mailing_id = $1 order by b.address`,
      [mailing],
    )
    return rows
  }

  test('is believed where DNS says so too: the address is suppressed at once, and the others have their letters', async () => {
    const { dns, asked } = playDns({})
    const mailing = await sendTo(['a@gone.example', 'b@gone.example', 'ada@readers.example'], dns)
    expect(await told(mailing)).toEqual([
      { address: 'a@gone.example', state: 'bounced', reason: 'bounced' },
      { address: 'ada@readers.example', state: 'sent', reason: null },
      { address: 'b@gone.example', state: 'bounced', reason: 'bounced' },
    ])
    expect(asked).toEqual(['gone.example'])
  })

  test.for([
    ['knows the domain', { resolveMx: async () => [{ priority: 10, exchange: 'mx.example' }] }],
    ['does not answer', { resolveMx: never }],
  ] as [string, Partial<MailDns>][])(
    'is not believed where DNS %s: the letter waits, and nobody is suppressed',
    async ([name, answers]) => {
      const address = `c@${name.replaceAll(' ', '-')}.example`
      const mailing = await sendTo([address], playDns(answers).dns)
      expect(await told(mailing)).toEqual([{ address, state: 'deferred', reason: null }])
    },
  )

  test('ends no sign-up by itself either', async () => {
    const house = await readerHouse(database.pool)
    const receivingDomains = openReceivingDomains(playDns({ resolveMx: () => fault('ESERVFAIL') }).dns)
    const sender = await openNoticeSender(database.pool, { receivingDomains })
    sender.inbox.refuse('kari@slow.example', { code: 550, text: '5.4.4 Unable to route' })
    const newsroom = await givenNewsroom(database.pool)
    await follow(house, newsroom, 'kari@slow.example')
    expect(await sender.work()).toEqual([])
    const { rows } = await database.pool.query(`select n.state, s.state as subscription from notices n
      join subscriptions s on s.id = n.subscription_id`)
    expect(rows).toEqual([{ state: 'deferred', subscription: 'pending' }])
    await sender.close()
    await house.app.close()
  })
})
