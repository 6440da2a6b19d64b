import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { openLog } from '../../shared/log/log.ts'
import { toReply } from '../../shared/transport/smtp-reply.ts'
import type { Outcome, Phase } from '../../shared/transport/transport.ts'
import { judgeOutcome, judgePoison } from '../../workers/mailer/judge-outcome.ts'
import { openRelayCircuit } from '../../workers/mailer/relay-circuit.ts'
import { type Meaning, readReply } from '../../workers/mailer/reply-rules.ts'
import { nextWait, tellCurve } from '../../workers/mailer/retry-curve.ts'
import { openWindowSize } from '../../workers/mailer/window-size.ts'

const day = { firstWait: 300, window: 172_800 }

/** A mail host that refuses many readers. */
const hostThat = (takesOthers: boolean) => ({ takesOthers: () => takesOthers, tellRefusal: () => 'many' as const })

const bounces = join(import.meta.dirname, '../../../shared/corpora/bounces')
const ofUs: ReadonlySet<string> = new Set(
  [
    'blocked',
    'speeding',
    'policyviolation',
    'badreputation',
    'requireptr',
    'authfailure',
    'norelaying',
    'toomanyconn',
  ].concat(['securityerror', 'notcompliantrfc', 'spamdetected', 'virusdetected']),
)

/** What the host said in each mail of the corpus that has one recipient and one such line. */
function repliesOf(folder: string) {
  const lines = readFileSync(join(folder, 'expected.jsonl'), 'utf8').trim().split('\n')
  return lines
    .map((line) => JSON.parse(line) as { file: string; expected_reason: string; recipients: unknown[] })
    .filter(({ recipients }) => recipients.length === 1)
    .flatMap(({ file, expected_reason: reason }) => {
      const mail = readFileSync(join(folder, file), 'latin1')
        .replace(/\r\n?/g, '\n')
        .replace(/\n[ \t]+/g, ' ')
      const said = [...mail.matchAll(/^Diagnostic-Code: *(?:smtp|x-[\w-]+) *; *"?([45]\d\d)[ -](.*)$/gim)]
      return said.length === 1 ? [{ file, reason, reply: toReply(Number(said[0]![1]), [said[0]![2]!]) }] : []
    })
}

describe('a mail host’s refusal is read by phase, then enhanced code, then text:', () => {
  const cases: [Phase, number, string | null, string, Meaning][] = [
    ['rcpt', 550, '5.1.1', 'No such user here', 'gone'],
    ['rcpt', 550, '5.1.0', 'Address rejected', 'gone'],
    ['rcpt', 550, '5.1.10', 'Recipient has null MX', 'gone'],
    ['dot', 550, '5.1.1', 'User unknown', 'gone'],
    ['rcpt', 550, '5.1.1', 'The mailbox is blocked by its owner', 'gone'],
    // Some hosts have the code of an unknown user for us as well; these readers lost what they followed.
    ['rcpt', 550, '5.1.1', '<kari@mail.example> - 192.0.2.7 has sent to too many recipients this hour', 'blocked'],
    ['rcpt', 550, '5.1.1', 'Too many invalid recipients, try again later', 'wait'],
    ['dot', 550, null, 'Too many unknown users on this connection', 'wait'],
    ['rcpt', 550, '5.1.0', 'MailFrom domain is listed in Spamhaus', 'blocked'],
    ['dot', 550, '5.1.1', 'User unknown; see our rate limits', 'gone'],
    ['rcpt', 550, '5.1.1', 'User kari not listed in public Name & Address Book', 'gone'],
    ['rcpt', 550, null, 'Reverse DNS for your IP address not found', 'unsaid'],
    ['rcpt', 550, '5.1.2', 'Host not found', 'nowhere'],
    ['dot', 550, '5.4.4', 'Unable to route', 'nowhere'],
    ['rcpt', 550, null, 'Unknown user', 'gone'],
    ['rcpt', 553, null, 'Requested mailbox: no such recipient', 'gone'],
    ['rcpt', 550, '5.7.17', 'Mailbox owner has changed', 'gone'],
    // A reply to MAIL FROM speaks of us, whatever its code: these failed the letter, and with it everybody else's.
    ['mail', 550, '5.1.1', 'No such user here', 'ours'],
    ['mail', 550, null, 'Sender rejected', 'ours'],
    ['mail', 553, null, 'Mailbox name not allowed', 'ours'],
    ['mail', 554, null, 'Transaction failed', 'ours'],
    ['mail', 550, '5.7.1', 'Blocked, see https://blocked.example', 'ours'],
    ['mail', 501, null, 'Bad sender address syntax', 'ours'],
    ['mail', 503, '5.5.1', 'Error: authentication needed first', 'ours'],
    ['mail', 452, '4.3.1', 'Insufficient system storage', 'ours'],
    ['mail', 451, null, 'Try again later', 'ours'],
    ['mail', 552, '5.3.4', 'Message size exceeds fixed limit', 'letter'],
    ['mail', 552, null, 'Message size exceeds fixed limit', 'letter'],
    ['mail', 504, null, 'Parameter not implemented', 'letter'],
    ['mail', 555, '5.5.4', 'Unsupported option: RET', 'letter'],
    ['mail', 553, '5.1.3', 'not an address that can be given to a mail host', 'ended'],
    ['rcpt', 553, '5.7.1', '<b+1@mail.example>: Sender address rejected: not owned by user ola', 'ours'],
    ['rcpt', 554, '5.7.1', '<kari@example.org>: Relay access denied', 'ours'],
    ['rcpt', 554, '5.7.1', '<host[192.0.2.1]>: Client host rejected: Access denied', 'ours'],
    ['rcpt', 550, null, 'relaying denied', 'ours'],
    // Exim's, of a sender whose domain it cannot route.
    ['rcpt', 550, null, 'Verification failed for <b+1@mail.example> Unrouteable address Sender verify failed', 'ours'],
    ['rcpt', 550, null, 'Verification failed for <b+1@mail.example> No Such User Here', 'ours'],
    ['rcpt', 550, null, 'Sender verify failed', 'ours'],
    ['rcpt', 451, null, 'Could not complete sender verify callout', 'wait'],
    ['rcpt', 550, null, 'Unrouteable address', 'unsaid'],
    ['rcpt', 550, '5.7.1', 'host mx.example said: 550 5.7.1 Relay access denied (in reply to RCPT TO)', 'blocked'],
    ['rcpt', 550, '5.1.1', 'Recipient address rejected: host mx.example said: 550 sender rejected', 'wait'],
    ['rcpt', 550, null, 'Sender address unknown here', 'unsaid'],
    ['rcpt', 550, null, 'Requested action not taken', 'unsaid'],
    ['dot', 554, null, 'Message rejected: Email address is not verified. The following identities failed', 'ours'],
    ['dot', 550, null, 'The from address does not match a verified Sender Identity, not authorized to send', 'ours'],
    ['dot', 554, '5.2.252', 'SendAsDenied; press@mail.example not allowed to send as', 'ours'],
    ['dot', 550, '5.7.60', 'Client does not have permissions to send as this sender', 'ours'],
    ['dot', 554, null, 'Sending suspended for this account', 'ours'],
    ['dot', 454, null, 'Throttling failure: Daily message quota exceeded', 'ours'],
    ['dot', 454, null, 'Throttling failure: Maximum sending rate exceeded.', 'throttled'],
    ['mail', 454, '4.7.0', 'Throttling failure: Maximum sending rate exceeded.', 'throttled'],
    ['dot', 432, '4.3.2', 'STOREDRV.ClientSubmit; sender thread limit exceeded', 'throttled'],
    ['mail', 432, '4.3.2', 'Concurrent connections limit exceeded', 'throttled'],
    ['rcpt', 451, '4.3.2', 'host mx.example said: 432 4.3.2 Concurrent connections limit exceeded', 'wait'],
    ['dot', 550, '5.4.5', 'Daily user sending limit exceeded', 'ours'],
    // Words nobody knows: a letter that a milter of the host will not have may be had once that is mended.
    ['dot', 554, null, 'Transaction failed', 'wait'],
    ['dot', 550, '5.0.0', 'Rejected', 'wait'],
    ['dot', 554, '5.3.0', 'Other mail system problem', 'wait'],
    ['mail', 553, '5.1.8', 'Bad sender domain', 'ours'],
    ['mail', 530, '5.7.0', 'Authentication required', 'ours'],
    ['auth', 535, '5.7.8', 'Bad credentials', 'ours'],
    ['rcpt', 550, '5.7.1', 'Blocked, see https://blocked.example', 'blocked'],
    ['rcpt', 554, null, 'Service unavailable; client host blocked using an RBL', 'blocked'],
    ['dot', 550, '5.7.26', 'Unauthenticated mail is not accepted', 'blocked'],
    ['rcpt', 421, '4.7.0', 'Rate limited', 'blocked'],
    ['dot', 452, '4.7.28', 'Unusual rate', 'blocked'],
    ['rcpt', 450, '4.2.0', 'Greylisted', 'wait'],
    ['dot', 451, '4.7.1', 'Service unavailable - try again later', 'wait'],
    ['rcpt', 421, null, 'Too many messages from your host, slow down', 'blocked'],
    ['rcpt', 451, '4.3.2', 'Please slow down, you are being throttled', 'blocked'],
    ['dot', 421, '4.3.2', 'Temporarily deferred due to unexpected volume or user complaints', 'blocked'],
    ['rcpt', 450, '4.2.1', 'The user you are trying to contact is receiving mail at a rate that is too high', 'wait'],
    ['rcpt', 451, '4.4.1', 'host mx.example said: 421 Too many connections', 'wait'],
    ['rcpt', 552, null, '1 Requested mail action aborted, mailbox not found', 'gone'],
    [
      'rcpt',
      554,
      null,
      "delivery error: dd This user doesn't have a mail.example account (kari@mail.example) [0]",
      'gone',
    ],
    ['rcpt', 550, '5.2.1', 'User unknown', 'gone'],
    // Of us, in words that are those for an unknown reader.
    ['dot', 554, null, 'Message rejected: From address is invalid', 'wait'],
    ['dot', 554, null, 'Invalid From: header address does not exist', 'wait'],
    ['dot', 554, null, 'Transaction failed: Reply-To address domain not found', 'wait'],
    ['rcpt', 554, null, 'Your host address is unknown to us', 'unsaid'],
    ['rcpt', 552, null, 'Mailbox is full; address unknown', 'wait'],
    ['rcpt', 452, '4.2.2', 'Mailbox full: too many messages', 'wait'],
    ['dot', 450, '4.2.2', 'over quota, too many messages stored', 'wait'],
    ['rcpt', 554, '5.7.1', 'User unknown in our policy', 'blocked'],
    // A host that asked another one about the recipient, and tells what it heard there.
    [
      'rcpt',
      550,
      '5.1.1',
      '<kari@mail.example>: undeliverable: host mx.example said: 550 5.7.26 Unauthenticated mail',
      'blocked',
    ],
    ['rcpt', 550, '5.1.1', 'undeliverable address: host mx.example said: 452 4.2.2 Mailbox full', 'wait'],
    ['rcpt', 550, '5.1.1', 'undeliverable address: host mx.example said: 550 5.1.1 No such user', 'gone'],
    ['rcpt', 550, '5.1.1', 'undeliverable address: host mx.example said: 550 No such user', 'gone'],
    ['rcpt', 550, '5.1.1', 'undeliverable address: host mx.example said: 550 no', 'gone'],
    ['rcpt', 451, '4.7.1', 'Greylisting in action, please come back later', 'wait'],
    ['dot', 451, '4.7.1', 'Try again later', 'wait'],
    ['rcpt', 451, '4.7.1', 'Too much mail from you, try again later', 'blocked'],
    ['rcpt', 451, null, 'Try again later', 'wait'],
    ['rcpt', 452, '4.5.3', 'Too many recipients', 'wait'],
    ['rcpt', 552, null, 'Exceeded storage allocation', 'wait'],
    ['rcpt', 552, '5.2.2', 'Mailbox full', 'wait'],
    ['rcpt', 550, '5.2.1', 'Mailbox disabled', 'wait'],
    ['dot', 552, '5.3.4', 'Message too big', 'letter'],
    ['dot', 554, '5.6.0', 'Malformed message', 'letter'],
    ['mail', 553, '5.6.7', 'Internationalised address not supported', 'ended'],
    ['mail', 501, null, 'Syntax error', 'letter'],
  ]
  test.each(cases)('%s %i %s “%s” is %s', (phase, code, enhanced, text, meaning) => {
    expect(readReply(phase, { code, enhanced, text })).toBe(meaning)
  })

  // Without a word that a rule for texts knows, so that the code has to be understood by itself.
  const wordless: [Phase, number, string | null, Meaning][] = [
    ['greeting', 554, null, 'ours'],
    ['greeting', 421, null, 'ours'],
    ['mail', 552, '5.2.3', 'letter'],
    ['mail', 553, '5.6.10', 'ended'],
    ['rcpt', 550, '5.1.1', 'gone'],
    ['dot', 550, '5.1.1', 'gone'],
    ['rcpt', 553, '5.1.3', 'gone'],
    ['rcpt', 551, '5.1.6', 'gone'],
    ['rcpt', 550, '5.7.18', 'gone'],
    ['rcpt', 553, '5.6.10', 'ended'],
    ['dot', 554, '5.6.10', 'ended'],
    ['rcpt', 551, null, 'unsaid'],
    ['rcpt', 550, '5.7.1', 'blocked'],
    ['dot', 550, '5.7.25', 'blocked'],
    ['rcpt', 450, '4.7.25', 'blocked'],
    ['rcpt', 550, '5.2.0', 'wait'],
    ['rcpt', 550, '5.2.2', 'wait'],
    ['rcpt', 452, '4.2.2', 'wait'],
    ['rcpt', 452, '4.3.1', 'wait'],
    ['dot', 452, '4.3.1', 'wait'],
    ['dot', 450, '4.4.7', 'wait'],
    // The transport drops an enhanced code that contradicts the basic one; were one given, it would be what counts.
    ['rcpt', 550, '4.4.7', 'wait'],
    ['dot', 552, '5.2.3', 'letter'],
    ['rcpt', 552, '5.3.4', 'letter'],
    ['dot', 554, '5.5.2', 'letter'],
    ['data', 503, '5.5.1', 'letter'],
    ['data', 503, null, 'letter'],
    ['dot', 501, null, 'letter'],
  ]
  test.each(wordless)('%s %i %s is understood without a word: %s', (phase, code, enhanced, meaning) => {
    expect(readReply(phase, { code, enhanced, text: 'No.' })).toBe(meaning)
  })

  const ofLogInOrSender: [number, string | null][] = [
    [530, '5.7.0'],
    [530, null],
    [534, '5.7.9'],
    [535, '5.7.8'],
    [535, null],
    [538, '5.7.11'],
    [538, null],
    [550, '5.7.8'],
    [553, '5.1.7'],
    [553, '5.1.8'],
    [550, '5.7.27'],
  ]
  test.each(ofLogInOrSender)('%i %s is about our login or our sender, whatever it answers', (code, enhanced) => {
    for (const phase of ['mail', 'rcpt', 'dot'] as const)
      expect([phase, readReply(phase, { code, enhanced, text: 'No.' })]).toEqual([phase, 'ours'])
  })

  test('551 that names an unknown user is the end of the address, like 550 and 553', () => {
    for (const code of [550, 551, 553])
      expect([code, readReply('rcpt', { code, enhanced: null, text: 'No such user here' })]).toEqual([code, 'gone'])
  })

  // What real hosts have said, each in a mail that came back, and what a well-known reader of such mail takes it for.
  const said = existsSync(bounces) ? repliesOf(bounces) : []
  test.skipIf(said.length === 0)('no refusal of us, in words of real hosts, ends a subscription', () => {
    const ours = said.filter(({ reason }) => ofUs.has(reason))
    expect(ours.length).toBeGreaterThan(40)
    for (const { reply, file } of ours) expect([file, readReply('rcpt', reply)]).not.toEqual([file, 'gone'])
  })
  test.skipIf(said.length === 0)(
    'no unknown user, in words of real hosts, slows down a domain or the mail host',
    () => {
      const theirs = said.filter(({ reason }) => reason === 'userunknown')
      expect(theirs.length).toBeGreaterThan(40)
      for (const { reply, file } of theirs)
        expect([file, readReply('rcpt', reply)]).toEqual([file, expect.stringMatching(/^(gone|unsaid)$/)])
    },
  )

  test('nothing said before RCPT ever speaks of the recipient', () => {
    for (const phase of ['connect', 'greeting', 'ehlo', 'starttls', 'auth', 'mail'] as const)
      for (const code of [421, 450, 550, 551, 553, 554])
        for (const enhanced of [null, '5.1.1', '5.1.10', '5.7.17'])
          expect(readReply(phase, { code, enhanced, text: 'No such user' })).not.toBe('gone')
  })
})

describe('an attempt', () => {
  const judge = (outcome: Outcome, attempt = 1) =>
    judgeOutcome(outcome, { attempt, curve: day, doubt: 'resend', chance: 0.5 })

  test('that ends in doubt is due again under “resend” and held under “hold”, and written down either way', () => {
    const outcome = { kind: 'in-doubt', detail: 'cut' } as const
    const given = { attempt: 1, curve: day, chance: 0.5 }
    expect(judgeOutcome(outcome, { ...given, doubt: 'resend' })).toMatchObject({
      state: 'due',
      trouble: { verdict: 'in_doubt' },
    })
    expect(judgeOutcome(outcome, { ...given, doubt: 'hold' })).toMatchObject({
      state: 'in_doubt',
      trouble: { verdict: 'in_doubt' },
    })
  })

  test('whose dot is never answered is sent again at once only the first time, then by the curve, and is kept at its end', () => {
    const outcome = { kind: 'in-doubt', detail: 'cut' } as const
    const trouble = { verdict: 'in_doubt' }
    expect(judge(outcome, 2)).toMatchObject({ state: 'deferred', wait: 660, begun: true, trouble })
    expect(judge(outcome, 40)).toMatchObject({ state: 'in_doubt', wait: null, begun: true, trouble })
  })

  test('is told in words that PostgreSQL takes, wherever a reply is cut', () => {
    const emoji = '\u{1f4ec}'
    for (const before of [181, 182, 491, 492, 499, 500]) {
      const reply = { code: 450, enhanced: '4.2.0', text: `${'x'.repeat(before)}${emoji.repeat(300)}` }
      const { reply: told, trouble } = judge({ kind: 'refused', phase: 'rcpt', reply })
      expect([told!.isWellFormed(), trouble!.detail.isWellFormed()]).toEqual([true, true])
    }
    expect(judgePoison(new Error('a\u0000b')).trouble!.detail).toBe('The letter could not be made: Error: a b')
  })

  test('refused without a word why has failed where the host takes others; where it takes nobody, the window decides', () => {
    const outcome = { kind: 'refused', phase: 'rcpt', reply: { code: 550, enhanced: null, text: 'no' } } as const
    const given = { attempt: 1, curve: day, doubt: 'resend', chance: 0.5 } as const
    expect(judgeOutcome(outcome, { ...given, host: hostThat(true) })).toMatchObject({ state: 'failed' })
    expect(judgeOutcome(outcome, { ...given, host: hostThat(false) })).toMatchObject({
      state: 'deferred',
      wait: 330,
    })
    expect(judge(outcome, 40)).toMatchObject({ state: 'failed' })
  })

  test('that never reached MAIL FROM is not counted as one', () => {
    expect(judge({ kind: 'unreachable', phase: 'connect', detail: 'refused' })).toMatchObject({
      state: 'due',
      begun: false,
    })
    expect(
      judge({ kind: 'refused', phase: 'auth', reply: { code: 535, enhanced: '5.7.8', text: 'no' } }),
    ).toMatchObject({
      state: 'due',
      begun: false,
      relay: expect.stringContaining('535'),
    })
    expect(judge({ kind: 'not-started' })).toMatchObject({ state: 'due', begun: false, trouble: null })
  })

  test('refused for something of ours is nobody’s, and after MAIL FROM only while the host takes no others', () => {
    const given = { attempt: 1, curve: day, doubt: 'resend', chance: 0 } as const
    const denied = (phase: Phase): Outcome => ({
      kind: 'refused',
      phase,
      reply: { code: 554, enhanced: '5.7.1', text: 'Relay access denied' },
    })
    for (const phase of ['mail', 'rcpt', 'dot'] as const) {
      const spared = { state: 'due', begun: false, relay: `${phase}: 554 5.7.1 Relay access denied` }
      expect(judgeOutcome(denied(phase), { ...given, host: hostThat(false) })).toMatchObject(spared)
      expect(judgeOutcome(denied(phase), { ...given, host: hostThat(true) })).toMatchObject(
        phase === 'mail' ? spared : { state: 'deferred', begun: true, wait: 300 },
      )
    }
  })

  test('refused for something of ours goes by the curve where a few readers are, and is nobody’s where many are', () => {
    const given = { attempt: 2, curve: day, doubt: 'resend', chance: 0 } as const
    const circuit = openRelayCircuit(openLog('test', 'silent'))
    const refuse = (address: string, phase: Phase = 'rcpt') => {
      const reply = { code: 554, enhanced: '5.7.1', text: 'Relay access denied' }
      const host = { ...circuit, takesOthers: () => false }
      const { state, relay } = judgeOutcome({ kind: 'refused', phase, reply }, { ...given, host, address })
      return relay === undefined ? state : 'ours'
    }
    const ofDomains = ['k@a', 'k@a', 'k@b', 'k@a', 'k@b', 'k@c', 'k@a', 'k@d']
    expect(ofDomains.map((address) => refuse(address))).toEqual([
      ...['due', 'deferred', 'due', 'deferred', 'deferred'],
      ...['ours', 'ours', 'ours'],
    ])
    circuit.tellSuccess()
    // All those of one domain may be a handful, and then more.
    const ofOne = Array.from({ length: 11 }, (_, n) => `reader${n}@a`)
    expect(ofOne.map((address) => refuse(address))).toEqual([...Array(9).fill('due'), 'ours', 'ours'])
    circuit.tellSuccess()
    expect([refuse('k@a'), refuse('k@e', 'mail')]).toEqual(['due', 'ours'])
  })

  test('whose connection broke in place of an answer to MAIL FROM is not counted either', () => {
    expect(judge({ kind: 'unreachable', phase: 'mail', detail: 'cut' })).toMatchObject({ state: 'due', begun: false })
    expect(judge({ kind: 'unreachable', phase: 'rcpt', detail: 'cut' })).toMatchObject({
      state: 'deferred',
      begun: true,
    })
  })

  test('refused for now waits, until the window is used up', () => {
    const grey: Outcome = { kind: 'refused', phase: 'rcpt', reply: { code: 450, enhanced: '4.2.0', text: 'later' } }
    expect(judge(grey)).toMatchObject({ state: 'deferred', wait: 330 })
    expect(judge(grey, 40)).toMatchObject({ state: 'failed', wait: null, trouble: { verdict: 'failed' } })
  })
})

describe('the retry curve', () => {
  test('begins at five minutes, grows to four hours and ends at 48 hours', () => {
    const curve = tellCurve(day)
    expect(curve[0]).toEqual({ attempt: 2, wait: 300, since: 300 })
    expect(Math.max(...curve.map(({ wait }) => wait))).toBe(4 * 3600)
    expect(curve.at(-1)!.since).toBeGreaterThanOrEqual(day.window)
    expect(curve.at(-2)!.since).toBeLessThan(day.window)
  })

  test('spreads what was refused together by a fifth, and never so that a host which greylists for 300 s refuses twice', () => {
    expect(nextWait(day, 1, 0)).toBe(300)
    expect(nextWait(day, 1, 0.999)).toBe(360)
  })
})

describe('the size of a window', () => {
  test('is halved by an answer that came too late, down to the least, and found again', () => {
    const size = openWindowSize({ least: 20, most: 1_000 })
    size.tellLate()
    expect(size.now()).toBe(500)
    for (let time = 0; time < 10; time += 1) size.tellLate()
    expect(size.now()).toBe(20)
    for (let time = 0; time < 30; time += 1) size.tell(size.now(), size.now(), size.now() / 10)
    expect(size.now()).toBe(1_000)
  })

  test('follows the speed of the mail host', () => {
    const size = openWindowSize({ least: 20, most: 1_000 })
    expect(size.now()).toBe(1_000)
    // Of a thousand letters ten have been taken when their claim has run out.
    for (let n = 0; n < 10; n += 1) size.tell(10, size.now(), 700)
    expect(size.now()).toBe(20)
    for (let n = 0; n < 20; n += 1) size.tell(size.now(), size.now(), 5)
    expect(size.now()).toBe(1_000)
  })

  test('is not made smaller by windows of a letter or two, which take as long as large ones', () => {
    const size = openWindowSize({ least: 20, most: 1_000 })
    for (let n = 0; n < 50; n += 1) size.tell(1, 1, 60)
    expect(size.now()).toBeGreaterThan(900)
  })
})
