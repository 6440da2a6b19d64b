import { expect, test } from 'vitest'
import { sealDelivery } from '../../shared/links/delivery-code.ts'
import { linkKeys } from '../../shared/links/token.ts'
import { type Counts, countLetters, type Evidence } from '../chaos/count.ts'
import { mailingIn } from '../chaos/envelope.ts'
import type { Entry } from '../chaos/journal.ts'
import type { Ledger } from '../chaos/ledger.ts'
import { headedAsWithdrawn, type Published } from '../chaos/publisher.ts'
import type { Reader } from '../chaos/readers.ts'
import type { DigestItem } from '../chaos/sink-text.ts'
import { openTally } from '../chaos/tally.ts'
import { testSecrets } from '../given/secrets.ts'

const ada = 'ada@one.example'
const ole = 'ole@two.example'

const told = (title: string, mailing: string, wishes: Partial<Published> = {}): Published => ({
  ...{ kind: 'release', title, externalId: 'x', hour: null, replaces: null, mailings: [mailing] },
  accepted: { asked: 0, answered: 1 },
  ...wishes,
})
const first = told('Quay', '1')
const corrected = told('Quay revision 2', '2', {
  kind: 'correction',
  replaces: first,
  accepted: { asked: 100, answered: 101 },
})
const withdrawn = told(headedAsWithdrawn('Quay'), '2', {
  kind: 'withdrawal',
  replaces: first,
  accepted: { asked: 100, answered: 101 },
})

/** What a letter of this mailing is handed over by: its number in eight bytes, and what nobody here looks at. */
const envelopeOf = (mailing: string) => {
  const bits = BigInt(mailing).toString(2).padStart(64, '0').padEnd(65, '0')
  const code = bits.match(/.{5}/g)!.map((five) => 'abcdefghijklmnopqrstuvwxyz234567'[Number.parseInt(five, 2)])
  return `b+${code.join('').padEnd(39, 'a')}@mail.example`
}

let seq = 0
const begun = (to: string, mailing: string, at = 10): Entry => ({
  ...{ seq: ++seq, at, is: 'begun', to, envelope: envelopeOf(mailing) },
})
/** A letter from its beginning to its end. */
const letter = (
  to: string,
  mailing: string,
  subject: string,
  messageId = `${mailing}-${to}`,
  at = 10,
  items: readonly DigestItem[] | null = null,
): Entry[] => [
  begun(to, mailing, at),
  {
    ...{ seq: ++seq, at: at + 1, is: 'accepted', to, envelope: envelopeOf(mailing), begunAt: at, begunSeq: seq - 1 },
    ...{ subject, messageId, leaveUrl: '', lacks: null, items },
  },
]
/** A digest, of titles; one that begins with an asterisk is told as a correction. */
const digest = (to: string, mailing: string, titles: readonly string[], at = 10, messageId = `${mailing}-${to}`) => {
  const items = titles.map((title) => ({ title: title.replace(/^\*/, ''), isCorrection: title.startsWith('*') }))
  return letter(to, mailing, `${items[0]!.title} og mer`, messageId, at, items)
}
const replaced = (mailing: string, title: string): Entry => ({
  ...{ seq: ++seq, at: 101, is: 'replaced', to: '', mailing, title },
})

type Circumstances = {
  readonly doubts?: Ledger['doubts']
  /** When the letters of `states` ended. */
  readonly endedAt?: number
  /** When both readers left. */
  readonly left?: Reader['left']
  readonly hasOneJournal?: boolean
  readonly outages?: Evidence['outages']
  readonly freezes?: Evidence['freezes']
  readonly disturbed?: Evidence['disturbed']
  readonly cancelled?: Evidence['cancelled']
  readonly doubledWhileHeld?: Evidence['doubledWhileHeld']
  /** Who of them reads digests. */
  readonly digests?: readonly string[]
}

function count(
  publications: readonly Published[],
  entries: readonly Entry[],
  states: Readonly<Record<string, string>> = {},
  {
    doubts = [],
    endedAt = 200,
    left = null,
    hasOneJournal = true,
    outages = [],
    freezes = [],
    disturbed = [],
    cancelled = new Map(),
    doubledWhileHeld = [],
    digests = [],
  }: Circumstances = {},
): Counts {
  const tally = openTally(() => {})
  tally.take(entries)
  const reader = (address: string): Reader => ({
    ...{ address, follows: 'from-the-start', left, leaveUrl: null, confirmPath: null },
    readsDigests: digests.includes(address),
  })
  const ledger = {
    ...{ doubted: doubts.length, burnt: 0, notEnded: [], doubts },
    doubtsOf: (mailing: string, address: string) =>
      doubts.filter((doubt) => doubt.mailing === mailing && doubt.address === address).map(({ at }) => at),
    endOf: (mailing: string, address: string) => ({
      state: states[`${mailing} ${address}`] ?? 'sent, or nothing at all',
      at: endedAt,
    }),
  } satisfies Ledger
  const evidence: Evidence = {
    ...{ told: publications, tally, ledger, outages, freezes, disturbed, cancelled, doubledWhileHeld, hasOneJournal },
    readers: new Map([ada, ole].map((address) => [address, reader(address)])),
  }
  return countLetters(evidence)
}

test('the mailing stands in the envelope of a letter', () => {
  const { code } = sealDelivery(linkKeys(testSecrets), 18n, 3462n)
  expect(mailingIn(`b+${code}@mail.example`)).toBe('18')
  expect(mailingIn(envelopeOf('9007199254740993'))).toBe('9007199254740993')
  expect(mailingIn('notice@mail.example')).toBeNull()
})

test('a correction replaces what is unsent, and reaches those who had the old text as a correction', () => {
  const calm = [
    ...letter(ada, '1', 'Quay'),
    replaced('1', 'Quay'),
    ...letter(ada, '2', 'Rettelse: Quay revision 2', 'a2', 110),
    ...letter(ole, '2', 'Rettelse: Quay revision 2', 'o2', 110),
  ]
  const ended = { [`1 ${ole}`]: 'withdrawn' }
  expect(count([first, corrected], calm, ended)).toMatchObject({
    ...{ owed: 4, accepted: 3, endedOtherwise: { withdrawn: 1 }, lost: 0, late: 0, phantom: 0, untold: 0 },
  })
  // The ledger's word is not enough where nothing was replaced, nor a replacement where the ledger calls it sent.
  expect(count([first], letter(ada, '1', 'Quay'), ended).lost).toBe(1)
  expect(count([first, corrected], calm, { [`1 ${ole}`]: 'sent' }).lost).toBe(1)
})

test('a letter with the old text that begins after the answer is late, by its envelope or by its title', () => {
  expect(count([first, corrected], [replaced('1', 'Quay'), begun(ada, '1')]).late).toBe(1)
  const disguised = count([first, corrected], [replaced('1', 'Quay'), ...letter(ada, '2', 'Quay')])
  expect(disguised).toMatchObject({ late: 1 })
  const before = begun(ada, '1')
  expect(count([first, corrected], [replaced('1', 'Quay'), before]).late).toBe(0)
})

test('what an operator has stopped begins no letter until it is to go on, and what was cancelled is owed to nobody', () => {
  const of = (is: 'stopped' | 'resumed', mailing = '1'): Entry => ({ seq: ++seq, at: 5, is, to: '', mailing })
  expect(count([first], [of('stopped'), begun(ada, '1')]).late).toBe(1)
  expect(count([first], [of('stopped', '2'), begun(ada, '1')]).late).toBe(0)
  expect(count([first], [of('stopped'), of('resumed'), begun(ada, '1')]).late).toBe(0)
  const ended = { [`1 ${ada}`]: 'withdrawn', [`1 ${ole}`]: 'nothing at all' }
  const cancelledAt = (at: number) => count([first], [], ended, { cancelled: new Map([['1', at]]) }).lost
  expect([cancelledAt(100), cancelledAt(100_000)]).toEqual([0, 2])
  // Stopped, and nobody had asked for it: the ledger knows no hour, or any.
  for (const endedAt of [0, Infinity]) expect(count([first], [], ended, { endedAt }).lost).toBe(2)
})

test('a letter that is kept in doubt is nobody’s loss only where its mailing was stopped, and nobody has it twice meanwhile', () => {
  const kept = { [`1 ${ada}`]: 'in_doubt', [`1 ${ole}`]: 'nothing at all' }
  const doubts = [{ mailing: '1', address: ada, at: 20 }]
  const cancelled = new Map([['1', 100]])
  const journal = [begun(ada, '1')]
  expect(count([first], journal, kept, { doubts, cancelled })).toMatchObject({ lost: 0, inDoubt: 1, unheard: 0 })
  expect(count([first], journal, kept, { cancelled }).lost).toBe(1)
  expect(count([first], journal, kept, { doubts }).lost).toBe(2)
  expect(count([first], journal, kept, { doubts, cancelled, doubledWhileHeld: ['Quay to Ada'] }).excess).toBe(1)
})

test('whoever had the old text and is not told that the new one corrects it is untold', () => {
  const unmarked = [
    ...letter(ada, '1', 'Quay'),
    ...letter(ada, '2', 'Quay revision 2'),
    ...letter(ole, '2', 'Quay revision 2'),
  ]
  expect(count([first, corrected], unmarked)).toMatchObject({ untold: 1 })
})

test('a withdrawal is owed to those who have the release, and to nobody who never followed', () => {
  const had = letter(ada, '1', 'Quay')
  expect(count([first, withdrawn], had, { [`1 ${ole}`]: 'withdrawn' }).lost).toBe(1)
  const whole = [...had, replaced('1', 'Quay'), ...letter(ada, '2', withdrawn.title)]
  expect(count([first, withdrawn], whole, { [`1 ${ole}`]: 'nothing at all' })).toMatchObject({
    owed: 3,
    lost: 0,
    phantom: 0,
  })
  const embargoed = { ...first, hour: 10_000 }
  const unheard = { ...withdrawn, replaces: embargoed }
  expect(count([embargoed, unheard], letter(ada, '2', withdrawn.title)).phantom).toBe(1)
})

test('one letter under two Message-IDs is red, and so are two under one, and one in another mailing’s envelope', () => {
  expect(count([first], [...letter(ada, '1', 'Quay', 'a'), ...letter(ada, '1', 'Quay', 'b')]).phantom).toBe(1)
  expect(count([first], [...letter(ada, '1', 'Quay', 'a'), ...letter(ole, '1', 'Quay', 'a')]).phantom).toBe(1)
  expect(count([first], [...letter(ada, '1', 'Quay'), ...letter(ole, '7', 'Quay')]).phantom).toBe(1)
  expect(count([first], [...letter(ada, '1', 'Quay'), ...letter(ole, '1', 'Quay')]).phantom).toBe(0)
})

test('an address refused for good gets no letter of a release accepted half a minute later', () => {
  const refused: Entry = { seq: ++seq, at: 1_000, is: 'refused', to: ada, code: 550 }
  const later = (asked: number) => told('Pier', '3', { accepted: { asked, answered: asked + 1 } })
  expect(count([later(20_000)], [refused, begun(ada, '3', 21_000)]).toGone).toBe(0)
  expect(count([later(40_000)], [refused, begun(ada, '3', 41_000)]).toGone).toBe(1)
})

test('one MAIL FROM is a frozen process’s that was about to write it, if no text follows and it went on just then', () => {
  const lateBy = (entries: () => Entry[], from = 50) => {
    const journal = [replaced('1', 'Quay'), ...entries()]
    const { late, bare } = count([first, corrected], journal, {}, { freezes: [{ from, to: 8_000 }] })
    return { late, bare }
  }
  const begunAt = (at: number) => () => [begun(ada, '1', at)]
  expect(lateBy(begunAt(8_009))).toEqual({ late: 0, bare: 1 })
  // Before it went on, long after, of one frozen after the answer, with a text, and a second one.
  expect(lateBy(begunAt(7_999))).toEqual({ late: 1, bare: 0 })
  expect(lateBy(begunAt(9_001))).toEqual({ late: 1, bare: 0 })
  expect(lateBy(begunAt(8_009), 102)).toEqual({ late: 1, bare: 0 })
  expect(lateBy(() => letter(ada, '1', 'Quay', 'a', 8_009))).toEqual({ late: 1, bare: 0 })
  expect(lateBy(() => letter(ada, '1', 'Pier', 'a', 8_009))).toEqual({ late: 1, bare: 0 })
  expect(lateBy(() => [begun(ada, '1', 8_009), begun(ole, '1', 8_010)])).toEqual({ late: 1, bare: 1 })
})

test('a letter before its release’s hour is untimely, and so is a first one long after it', () => {
  const embargoed = told('Quay', '1', { hour: 5_000 })
  const from = (at: number) => count([embargoed], [begun(ada, '1', at)]).untimely
  expect([from(4_999), from(5_000), from(19_000), from(21_000)]).toEqual([1, 0, 0, 1])
})

test('who is killed over a release is replaced within that time, and it leaves within half a minute all the same', () => {
  const embargoed = told('Quay', '1', { hour: 5_000 })
  const from = (at: number, mailing: string, ...kills: number[]) =>
    count([embargoed], [begun(ada, '1', at)], {}, { disturbed: kills.map((kill) => ({ mailing, at: kill })) }).untimely
  expect([from(21_000, '1', 7_000), from(23_000, '1', 7_000), from(21_000, '2', 7_000)]).toEqual([0, 1, 1])
  expect([from(21_000, '1', 21_001), from(34_000, '1', 20_000), from(36_000, '1', 22_000, 22_000)]).toEqual([1, 0, 1])
  // After the fourth it rests for 5 s, after the fifth for 15, and a minute is the end of all patience.
  const five = [6_000, 7_000, 8_000, 9_000, 40_000]
  expect([from(54_000, '1', ...five), from(56_000, '1', ...five, 50_000), from(66_000, '1', ...five, 60_000)]).toEqual([
    ...[0, 0, 1],
  ])
})

test('what was away is to be made up for within that time of its being back', () => {
  const embargoed = told('Quay', '1', { hour: 5_000 })
  const from = (at: number, part: string) =>
    count([embargoed], [begun(ada, '1', at)], {}, { outages: [{ part, from: 9_000, to: 10_000 }] }).untimely
  expect([from(24_000, 'redis'), from(26_000, 'redis'), from(24_000, 'workers-1')]).toEqual([0, 1, 1])
})

test('nobody has failed: no mail host of a run refuses for so long', () => {
  const busy: Entry = { seq: ++seq, at: 5, is: 'refused', to: ada, code: 450 }
  expect(count([first], [busy, ...letter(ole, '1', 'Quay')], { [`1 ${ada}`]: 'failed' }).lost).toBe(1)
})

test('a reason that came long after a letter had ended was not the reason', () => {
  const first = told('Quay', '1')
  const ended = { [`1 ${ada}`]: 'opted_out', [`1 ${ole}`]: 'opted_out' }
  const leaving = (asked: number) =>
    count([first], [], ended, { endedAt: 100_000, left: { asked, answered: asked + 1 } })
  expect(leaving(90_000)).toMatchObject({ owed: 2, lost: 0, endedOtherwise: { opted_out: 2 } })
  expect(leaving(200_000).lost).toBe(2)
  const late = told('Quay revision 2', '2', {
    kind: 'correction',
    replaces: first,
    accepted: { asked: 200_000, answered: 200_001 },
  })
  const both = [...letter(ada, '2', late.title), ...letter(ole, '2', late.title)]
  const withdrawn = { [`1 ${ada}`]: 'withdrawn', [`1 ${ole}`]: 'withdrawn' }
  expect(count([first, late], both, withdrawn, { endedAt: 200_010 }).lost).toBe(0)
  expect(count([first, late], both, withdrawn, { endedAt: 100_000 }).lost).toBe(2)
})

test('a letter of which the mail host never heard cannot be in doubt, where its journal can be read', () => {
  const doubts = [{ mailing: '1', address: ada, at: 100 }]
  const of = (entries: readonly Entry[], more: Circumstances = {}) =>
    count([first], entries, {}, { doubts, ...more }).unheard
  expect(of(letter(ole, '1', 'Quay'))).toBe(1)
  expect(of([begun(ada, '1')])).toBe(0)
  expect(of([begun(ada, '2')])).toBe(1)
  // Sent again for the doubt's sake, it has begun all the same, and proves nothing.
  expect(of([begun(ada, '1', 101)])).toBe(1)
  expect(of(letter(ole, '1', 'Quay'), { hasOneJournal: false })).toBe(0)
})

test('who reads digests is told each release once in its newest text, by no letter of its own', () => {
  const both = { digests: [ada, ole] }
  const second = told('Bridge', '3')
  const calm = [...digest(ada, '9', ['Bridge', 'Quay']), ...digest(ole, '9', ['Quay']), ...digest(ole, '8', ['Bridge'])]
  expect(count([first, second], calm, {}, both)).toMatchObject({
    ...{ owed: 4, accepted: 4, lost: 0, doubled: 0, excess: 0, phantom: 0, late: 0, untold: 0 },
  })
  expect(count([first, second], digest(ada, '9', ['Quay']), {}, { digests: [ada] })).toMatchObject({ owed: 4, lost: 3 })
  expect(count([first], letter(ada, '1', 'Quay'), {}, both)).toMatchObject({ lost: 2, phantom: 1 })
  expect(count([first], digest(ada, '9', ['Quay']))).toMatchObject({ phantom: 1, lost: 2 })
  expect(count([first], [...digest(ada, '9', ['Quay']), ...digest(ada, '8', ['Quay'])], {}, both).excess).toBe(1)
  const twice = [...digest(ada, '9', ['Quay']), ...digest(ada, '9', ['Quay'], 20), ...digest(ole, '9', ['Quay'])]
  expect(count([first], twice, {}, both)).toMatchObject({ doubled: 1, excess: 1 })
  // However much stands in it, a digest taken twice is one letter too many.
  const long = [...digest(ada, '9', ['Quay', 'Bridge']), ...digest(ada, '9', ['Quay', 'Bridge'], 20)]
  expect(count([first, second], long, {}, both)).toMatchObject({ doubled: 1, excess: 1 })
  const doubts = [{ mailing: '9', address: ada, at: 15 }]
  expect(count([first, second], long, {}, { ...both, doubts })).toMatchObject({ doubled: 1, excess: 0 })
  // What stood in one that stays in doubt nobody can count; in one that was sent again or replaced it is owed as ever.
  const unsaid = [...digest(ada, '9', ['Bridge']), ...digest(ole, '8', ['Quay', 'Bridge'])]
  const stays = { [`9 ${ada}`]: 'in_doubt' }
  expect(count([first, second], unsaid, stays, { ...both, doubts })).toMatchObject({
    ...{ owed: 4, accepted: 3, lost: 0, endedOtherwise: { in_doubt: 1 } },
  })
  expect(count([first, second], unsaid, {}, { ...both, doubts }).lost).toBe(1)
  // Dealt anew in place of one in doubt it may be told twice; otherwise, or the other way round, it may not.
  const anew = [...digest(ada, '9', ['Quay']), ...digest(ada, '8', ['Quay'], 30), ...digest(ole, '9', ['Quay'])]
  expect(count([first], anew, {}, { ...both, doubts })).toMatchObject({ excess: 0, lost: 0 })
  const later = [{ mailing: '8', address: ada, at: 35 }]
  expect(count([first], anew, {}, { ...both, doubts: later }).excess).toBe(1)
})

test('a digest tells no text that was replaced before it began, and says of a correction that it is one', () => {
  const both = { digests: [ada, ole] }
  const had = [...digest(ada, '9', ['Quay']), replaced('1', 'Quay')]
  const rest = digest(ole, '8', ['Quay revision 2'], 110)
  expect(
    count([first, corrected], [...had, ...digest(ada, '8', ['*Quay revision 2'], 110), ...rest], {}, both),
  ).toMatchObject({
    ...{ owed: 2, lost: 0, late: 0, untold: 0 },
  })
  expect(
    count([first, corrected], [...had, ...digest(ada, '8', ['Quay revision 2'], 110), ...rest], {}, both).untold,
  ).toBe(1)
  expect(count([first, corrected], [replaced('1', 'Quay'), ...digest(ada, '9', ['Quay'], 110)], {}, both).late).toBe(1)
  // Taken back, it is owed to nobody in a digest, and who has it is told by a letter.
  const told = letter(ada, '2', headedAsWithdrawn('Quay'), 'w', 110)
  expect(count([first, withdrawn], [...had, ...told], {}, both)).toMatchObject({
    owed: 1,
    accepted: 1,
    lost: 0,
    phantom: 0,
  })
  expect(count([first, withdrawn], had, {}, both)).toMatchObject({ owed: 1, lost: 1 })
  const later = { ...first, hour: 50 }
  expect(count([later], [...digest(ada, '9', ['Quay']), ...digest(ole, '9', ['Quay'], 60)], {}, both).untimely).toBe(1)
})
