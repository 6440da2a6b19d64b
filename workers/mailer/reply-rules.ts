import type { Phase, Reply } from '../../shared/transport/transport.ts'

/**
 * What a refusal says, read in this order: the phase first, because only a reply to RCPT or to the final dot can speak
 * of the recipient; then the enhanced code (RFC 3463) over the basic one; text only where the table names it.
 * - `gone`: the address is no good: bounced, and suppressed.
 * - `wait`: try again later.
 * - `blocked`: the provider refuses us, not the reader: try again later, never held against the reader.
 * - `ours`: our configuration is wrong: try again later, and tell the operator.
 * - `letter`: this letter is refused for what it is: failed, never held against the reader.
 */
export type Meaning = 'gone' | 'wait' | 'blocked' | 'ours' | 'letter'

type Rule = {
  readonly phases?: readonly Phase[]
  readonly code?: RegExp
  readonly enhanced?: RegExp
  readonly text?: RegExp
  readonly meaning: Meaning
}

const recipientPhases: readonly Phase[] = ['rcpt', 'dot']

const unknownUser =
  /unknown (user|recipient|address|mailbox)|no such (user|recipient|address|mailbox|person)|(user|recipient|mailbox|address)[^.]{0,40} (not found|unknown|does(n't| not) exist|invalid)|invalid (recipient|mailbox)|no mailbox/i

const providerBlock =
  /block(ed|ing|list)|black ?list|deny ?list|\brbl\b|spamhaus|reputation|rate.?limit|too many (connections|messages)|spam|policy|unsolicited/i

/** The first rule that fits decides. Sources: RFC 5321 4.2.3, RFC 3463, RFC 7372, RFC 7505, RFC 4954, RFC 6531. */
export const replyRules: readonly Rule[] = [
  // SMTPUTF8 is needed and not offered (RFC 6531): no wait will change that.
  { enhanced: /^[45]\.6\.(7|9|10)$/, meaning: 'letter' },
  // Our login or our sender address.
  { phases: ['auth'], meaning: 'ours' },
  { code: /^(530|534|535|538)$/, meaning: 'ours' },
  { enhanced: /^[45]\.(7\.8|1\.7|1\.8|7\.27)$/, meaning: 'ours' },
  // The recipient, where a reply can speak of one.
  { phases: recipientPhases, enhanced: /^5\.1\.(0|1|3|6|10)$/, meaning: 'gone' },
  { phases: recipientPhases, enhanced: /^5\.(1\.2|4\.4)$/, meaning: 'gone' },
  // The mailbox or its domain has a new owner (RFC 7293): another person.
  { phases: recipientPhases, enhanced: /^5\.7\.(17|18)$/, meaning: 'gone' },
  // Refused for who we are or how we send: 5.7.x and 4.7.x are policy (RFC 3463 3.8).
  { enhanced: /^[45]\.7\./, meaning: 'blocked' },
  { phases: ['connect', 'greeting', 'ehlo', 'starttls', 'mail'], code: /^5/, text: providerBlock, meaning: 'blocked' },
  { phases: ['connect', 'greeting', 'ehlo', 'starttls'], meaning: 'blocked' },
  // Size and form of the letter, and our own mistakes in the conversation.
  { enhanced: /^5\.(3\.4|2\.3|6\.\d+|5\.\d+)$/, meaning: 'letter' },
  { code: /^(500|501|502|503|504|555)$/, enhanced: /^$/, meaning: 'letter' },
  // A full or sleeping mailbox is a state, not an end: the window decides.
  { enhanced: /^5\.2\.[0-2]$/, meaning: 'wait' },
  { phases: ['rcpt'], code: /^552$/, meaning: 'wait' },
  { enhanced: /^4\./, meaning: 'wait' },
  { phases: recipientPhases, code: /^55[013]$/, text: unknownUser, meaning: 'gone' },
  { code: /^5/, text: providerBlock, meaning: 'blocked' },
  { code: /^4/, meaning: 'wait' },
  // A bare 550 or 553 to RCPT says the mailbox is unavailable (RFC 5321 4.2.3); without a word more it is an end of
  // this delivery only.
  { code: /^5/, meaning: 'letter' },
]

export function readReply(phase: Phase, reply: Reply): Meaning {
  const fits = (rule: Rule) =>
    (rule.phases === undefined || rule.phases.includes(phase)) &&
    (rule.code === undefined || rule.code.test(String(reply.code))) &&
    (rule.enhanced === undefined || rule.enhanced.test(reply.enhanced ?? '')) &&
    (rule.text === undefined || rule.text.test(reply.text))
  return replyRules.find(fits)?.meaning ?? 'wait'
}
