import type { Phase, Reply } from '../../shared/transport/transport.ts'

/**
 * What a refusal says, read in this order: the phase first, because only a reply to RCPT or to the letter can speak of
 * the recipient; then the enhanced code (RFC 3463) over the basic one; text only where the table names it.
 * - `gone`: the address is no good: bounced, and suppressed.
 * - `nowhere`: its domain is said not to exist: as `gone` where DNS says so too, else as `wait`.
 * - `wait`: try again later.
 * - `blocked`: the provider refuses us, not the reader: try again later, never held against the reader.
 * - `ours`: the mail host will not have us at all: nobody's attempt, and the rest should wait until that is mended.
 * - `throttled`: the mail host takes only so many letters a second from us: nobody's attempt, and all rest for a moment.
 * - `letter`: this letter is refused for its size or form: failed, never held against the reader; others will be, too.
 * - `ended`: this delivery fails, and says nothing of any other.
 * - `unsaid`: the recipient is refused without a word why: as `ended` where the host takes others meanwhile, else as `wait`.
 */
export type Meaning = 'gone' | 'nowhere' | 'wait' | 'blocked' | 'ours' | 'throttled' | 'letter' | 'ended' | 'unsaid'

type Rule = {
  readonly phases?: readonly Phase[]
  readonly code?: RegExp
  readonly enhanced?: RegExp
  readonly text?: RegExp
  readonly unless?: RegExp
  readonly meaning: Meaning
}

const beforeMail: readonly Phase[] = ['connect', 'greeting', 'ehlo', 'starttls', 'auth']
const recipientPhases: readonly Phase[] = ['rcpt', 'dot']
const letterPhases: readonly Phase[] = ['data', 'dot']
const mailed: readonly Phase[] = ['rcpt', 'data', 'dot']

const unknownUser =
  /unknown (user|recipient|address|mailbox)|no such (user|recipient|address|mailbox|person)|(user|recipient|mailbox|address)[^.]{0,40} (not found|unknown|does(n't| not) exist|invalid)|invalid (recipient|mailbox)|no mailbox/i

const plainlyUnknown =
  /mailbox not found|\b(user|recipient) (is )?unknown|unknown user|no such (user|mailbox)|does(n't| not) have an? [\w.-]+ account/i

/** That we are on somebody's list, or send too much: words that no host has for a mailbox. */
const listedOrTooMuch =
  /(black|block|deny) ?list|\brbl\b|spamhaus|(?<!not )\blisted (in|at|by|on)\b|reputation|rate.?limit|too many (connections|messages|recipients)/i
/** Not of the recipient, in whose words some hosts say it. */
const aboutSender = /sender|\bip address|reverse/i
/** That this provider slows us down, where it has no code for that. */
const slowedDown = /throttl|rate.?limit|too many (connections|messages)|unusual (rate|traffic)|user complaints/i
const providerBlock = new RegExp(`${listedOrTooMuch.source}|block(ed|ing)|spam|policy|unsolicited`, 'i')

/*
 * What hosts say after MAIL FROM of what is wrong with us: Postfix and Exim judge sender and client at RCPT only, providers of
 * relays judge From, account and quota when they have read the letter. Exim names the sender it could not verify, and why, in
 * the words it has for an unknown recipient.
 */
const senderRefused =
  /sender (address )?(is )?(rejected|denied|refused|invalid|not )|(address|identity|sender|domain)[^.]{0,40} not (been )?(verified|authori[sz]ed)|not owned by|not (allowed|authori[sz]ed|permitted) to (send|relay)|permissions? to send as|sendasdenied|sender verif(y|ication) (fail|defer)|verification failed (for|while)|callback setup failed/i
const relayRefused =
  /relay(ing)? (access )?(is )?(denied|prohibited|not (permitted|allowed))|not relay|unable to relay|(client host|helo command) rejected/i
const loginMissing = /authentication (is )?required|must (be )?authenticat|not authenticated|unauthenticated sender/i
const accountClosed =
  /sending[^.]{0,20} (suspended|paused|disabled)|your account|(sending|daily|relay) (message |sending )?(quota|limit)|sending rate|maximum credits/i
const ofUs = new RegExp(
  [senderRefused, relayRefused, loginMissing, accountClosed].map(({ source }) => source).join('|'),
  'i',
)
/** Of Amazon SES and Microsoft 365, for whoever sends by them. */
const relayThrottled = /maximum sending rate|sender thread limit|concurrent connections limit/i
/** The host passes on what another one said of this recipient: not of us at large. */
const passedOn = /\bsaid:|in reply to|remote (host|server)|recipient address rejected/i

const nothing = /^$/
const noSuchDomain = /^5\.(1\.2|4\.4)$/

/** The first rule that fits decides. Sources: RFC 5321 4.2.3, RFC 3463, RFC 7372, RFC 7505, RFC 4954, RFC 6531. */
export const replyRules: readonly Rule[] = [
  // SMTPUTF8 is needed and not offered (RFC 6531): no wait will change that.
  { enhanced: /^[45]\.6\.(7|9|10)$/, meaning: 'ended' },
  // Our login or our sender address. 5.7.57, 5.7.60, 5.7.64 and 5.2.252 are Microsoft's for the same.
  { phases: beforeMail, meaning: 'ours' },
  { code: /^(530|534|535|538)$/, meaning: 'ours' },
  { enhanced: /^[45]\.(1\.[78]|7\.(8|27|57|60|64)|2\.252)$/, meaning: 'ours' },
  { phases: ['mail', ...mailed], code: /^4/, text: relayThrottled, unless: passedOn, meaning: 'throttled' },
  // MAIL FROM names nobody but us: what is not the size or the form of this letter concerns them all.
  { phases: ['mail'], enhanced: /^5\.(3\.4|2\.3)$/, meaning: 'letter' },
  { phases: ['mail'], code: /^552$/, enhanced: nothing, meaning: 'letter' },
  { phases: ['mail'], text: /sender|auth|log ?in|relay/i, meaning: 'ours' },
  { phases: ['mail'], enhanced: /^5\.[56]\./, meaning: 'letter' },
  { phases: ['mail'], code: /^(500|501|502|503|504|555)$/, enhanced: nothing, meaning: 'letter' },
  // Said by our own transport of an address that cannot be given to a host.
  { phases: ['mail'], enhanced: /^5\.1\.3$/, meaning: 'ended' },
  { phases: ['mail'], meaning: 'ours' },
  { phases: mailed, text: ofUs, unless: passedOn, meaning: 'ours' },
  // Of those before on this connection, and not of this reader: their words are those for an unknown one.
  { phases: recipientPhases, text: /too many (invalid|unknown|bad) (recipients|users|addresses)/i, meaning: 'wait' },
  // The recipient, where a reply can speak of one; some hosts have these codes for us as well, and say so in words.
  {
    phases: recipientPhases,
    enhanced: /^5\.1\.(0|1|3|6|10)$/,
    text: listedOrTooMuch,
    unless: unknownUser,
    meaning: 'blocked',
  },
  { phases: recipientPhases, enhanced: /^5\.1\.(0|1|3|6|10)$/, meaning: 'gone' },
  { phases: recipientPhases, enhanced: noSuchDomain, meaning: 'nowhere' },
  // The mailbox or its domain has a new owner (RFC 7293): another person.
  { phases: recipientPhases, enhanced: /^5\.7\.(17|18)$/, meaning: 'gone' },
  // What Postfix says where a milter of its own does not answer: of the receiving domain it says nothing.
  { enhanced: /^4\.7\.1$/, text: /^service unavailable - try again later\.?$/i, meaning: 'wait' },
  // Greylisting of Milter's and Rspamd's kind has the code of a policy, and is over by itself.
  { enhanced: /^4\.7\.[01]$/, text: /gr[ea]y.?list|^try again later\.?$/i, meaning: 'wait' },
  // Refused for who we are or how we send: 5.7.x and 4.7.x are policy (RFC 3463 3.8).
  { enhanced: /^[45]\.7\./, meaning: 'blocked' },
  // Size and form of the letter, and our own mistakes in the conversation.
  { enhanced: /^5\.(3\.4|2\.3|6\.\d+)$/, meaning: 'letter' },
  { phases: letterPhases, enhanced: /^5\.5\./, meaning: 'letter' },
  { phases: letterPhases, code: /^(500|501|502|503|504|555)$/, enhanced: nothing, meaning: 'letter' },
  // Yahoo says 552 or 554 of a mailbox that is not there, others the code of a sleeping one. Words alone, so few.
  { phases: ['rcpt'], code: /^55[24]$/, enhanced: nothing, text: plainlyUnknown, meaning: 'gone' },
  { phases: recipientPhases, enhanced: /^5\.2\.1$/, text: plainlyUnknown, meaning: 'gone' },
  // A full or sleeping mailbox is a state, not an end: the window decides.
  { enhanced: /^5\.2\.[0-2]$/, meaning: 'wait' },
  { phases: ['rcpt'], code: /^552$/, meaning: 'wait' },
  // Also a mailbox that is full, which may be so of messages.
  { enhanced: /^4\.2\.[0-2]$/, meaning: 'wait' },
  { phases: mailed, code: /^4/, text: slowedDown, unless: passedOn, meaning: 'blocked' },
  { enhanced: /^4\./, meaning: 'wait' },
  {
    phases: recipientPhases,
    code: /^55[013]$/,
    text: unknownUser,
    unless: aboutSender,
    meaning: 'gone',
  },
  { code: /^5/, text: providerBlock, meaning: 'blocked' },
  { code: /^4/, meaning: 'wait' },
  // A bare 550 or 553 to RCPT says the mailbox is unavailable (RFC 5321 4.2.3); without a word more it is an end of
  // this delivery only, unless the host says so of everybody: then it may well be of us.
  { phases: ['rcpt'], code: /^5/, meaning: 'unsaid' },
  // A letter refused in words we do not know may be refused for something of ours, and then all of them are: the window
  // decides, and what is mended in it is sent.
  { code: /^5/, meaning: 'wait' },
]

/** Whether DNS is to be asked about the reader's domain. */
export const saysNowhere = (phase: Phase, reply: Reply) =>
  noSuchDomain.test(reply.enhanced ?? '') && readReply(phase, reply) === 'nowhere'

export function readReply(phase: Phase, reply: Reply): Meaning {
  const said = readWords(phase, reply)
  if (said !== 'gone') return said
  // A host that asked another one about the recipient quotes it: where that one speaks of something else, the address may be good.
  const quoted = quotedReply(reply)
  const saidThere = quoted && readWords(phase, quoted)
  return saidThere === null || saidThere === 'gone' || saidThere === 'unsaid'
    ? 'gone'
    : saidThere === 'blocked'
      ? 'blocked'
      : 'wait'
}

/** As Postfix and Exim quote. */
function quotedReply({ text }: Reply): Reply | null {
  const quote = /\bsaid: ([45]\d\d)[ -](?:([45]\.\d{1,3}\.\d{1,3}) )?(.*)$/s.exec(text)
  return quote && { code: Number(quote[1]), enhanced: quote[2] ?? null, text: quote[3]! }
}

function readWords(phase: Phase, reply: Reply): Meaning {
  const fits = (rule: Rule) =>
    (rule.phases === undefined || rule.phases.includes(phase)) &&
    (rule.code === undefined || rule.code.test(String(reply.code))) &&
    (rule.enhanced === undefined || rule.enhanced.test(reply.enhanced ?? '')) &&
    (rule.text === undefined || rule.text.test(reply.text)) &&
    (rule.unless === undefined || !rule.unless.test(reply.text))
  return replyRules.find(fits)?.meaning ?? 'wait'
}
