import type { KeyObject } from 'node:crypto'
import type { Socket } from 'node:net'
import { lot } from './chance.ts'
import type { Entry } from './journal.ts'
import { openReplies } from './sink-replies.ts'
import { isTurnedAway, isUnknown, type Misdeed, misdeedOf, type SinkRules, waitOf } from './sink-rules.ts'
import { isSignedBy } from './sink-signature.ts'
import { readText, type Text } from './sink-text.ts'

type Told = { [Kind in Entry['is']]: Omit<Extract<Entry, { is: Kind }>, 'seq' | 'at'> }[Entry['is']]

export type SinkHost = {
  rules(): SinkRules
  /** Whose signature a letter must have; null: none. */
  readonly signer: KeyObject | null
  /** Takes the next place in the order of things. */
  mark(): { seq: number; at: number }
  note(entry: Told, mark?: { seq: number; at: number }): void
  /** How often this letter has been begun before. */
  triesOf(letter: string): number
}

type Letter = {
  readonly name: string
  readonly begun: { seq: number; at: number }
  readonly nth: number
  readonly misdeed: Misdeed | null
  /** Ours names one; whoever names two has given it to both. */
  readonly to: string[]
}

/** One connection, in the host's part of RFC 5321 with PIPELINING, and in such breaches of it as the rules order. */
export function serve(socket: Socket, connection: number, host: SinkHost): void {
  const replies = openReplies(socket)
  const rules = host.rules()
  let bytes: Buffer = Buffer.alloc(0)
  let letter: Letter | null = null
  let isInLetter = false
  let isDeaf = false

  socket.setNoDelay(true)
  socket.on('error', () => {})
  socket.on('data', (chunk: Buffer) => {
    if (isDeaf) return
    bytes = bytes.length === 0 ? chunk : Buffer.concat([bytes, chunk])
    while (!isDeaf && (isInLetter ? readLetter() : readCommand()));
  })
  if (isTurnedAway(rules, connection)) {
    replies.say('421 4.3.2 too many connections, come back later')
    breakOff(0)
  } else {
    replies.say('220 sink.example ESMTP')
  }

  function breakOff(after: number): void {
    isDeaf = true
    replies.cut(after, lot(rules.seed, 'reset', connection) < 0.5)
  }

  function readCommand(): boolean {
    const end = bytes.indexOf('\r\n')
    if (end === -1) return false
    const line = bytes.toString('latin1', 0, end)
    bytes = bytes.subarray(end + 2)
    const verb = line.slice(0, 4).toUpperCase()
    if (verb === 'MAIL') begin(line)
    else if (verb === 'RCPT') name(line)
    else if (verb === 'DATA') openLetter()
    else if (verb === 'EHLO')
      replies.say('250-sink.example\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 ENHANCEDSTATUSCODES')
    else if (verb === 'RSET') {
      letter = null
      replies.say('250 2.0.0 forgotten')
    } else if (verb === 'QUIT') {
      replies.say('221 2.0.0 goodbye')
      replies.cut(0, false)
    } else replies.say('502 5.5.1 no such command here')
    return true
  }

  function begin(line: string): void {
    const from = pathIn(line)
    const nth = host.triesOf(from)
    const misdeed = misdeedOf(host.rules(), from, nth)
    letter = { name: from, begun: host.mark(), nth, misdeed, to: [] }
    if (misdeed === 'leave-after-mail') {
      replies.say('421 4.3.2 going down')
      breakOff(0)
    } else reply('250 2.1.0 go on')
  }

  function name(line: string): void {
    if (letter === null) {
      replies.say('503 5.5.1 MAIL first')
      return
    }
    const to = pathIn(line)
    host.note({ is: 'begun', to, envelope: letter.name }, letter.begun)
    const refusal = isUnknown(host.rules(), to) ? '550 5.1.1 no such user here' : refusalOf(letter.misdeed)
    if (refusal !== null) host.note({ is: 'refused', to, code: Number(refusal.slice(0, 3)) })
    else letter.to.push(to)
    reply(refusal ?? '250 2.1.5 known')
    if (letter.misdeed === 'cut-after-rcpt') breakOff(0)
  }

  function openLetter(): void {
    if (letter === null || letter.to.length === 0) {
      replies.say('554 5.5.1 no recipient')
      return
    }
    reply('354 the letter, please')
    isInLetter = true
    if (letter.misdeed === 'cut-after-354') breakOff(5)
    else if (letter.misdeed === 'hang-after-354') breakOff(hangFor(letter))
  }

  function readLetter(): boolean {
    const end = bytes.indexOf('\r\n.\r\n')
    if (end === -1) return false
    const wire = bytes.toString('latin1', 0, end)
    const text = readText(wire)
    const isForged = text.lacks === null && host.signer !== null && !isSignedBy(host.signer, wire)
    bytes = bytes.subarray(end + 5)
    isInLetter = false
    endLetter(letter!, isForged ? { ...text, lacks: 'a signature that holds' } : text)
    letter = null
    return true
  }

  function endLetter(ended: Letter, text: Text): void {
    const { misdeed } = ended
    const after = misdeed === 'late-250' ? lateBy(ended) : waitOf(host.rules(), ended.name, ended.nth)
    // A host that breaks off here may have kept the letter, or not: half of them have.
    const isBroken = misdeed === 'cut-after-dot' || misdeed === 'hang-after-dot'
    if (misdeed === 'busy-after-dot') {
      for (const to of ended.to) host.note({ is: 'refused', to, code: 451 })
      replies.say('451 4.3.0 no room just now', { after })
    } else if (misdeed === 'leave-after-dot') {
      replies.say('421 4.3.2 going down', { after })
      breakOff(0)
    } else if (isBroken) {
      if (lot(rules.seed, 'kept', ended.name, ended.nth) < 0.5) accept(ended, text)
      breakOff(misdeed === 'hang-after-dot' ? hangFor(ended) : 0)
    } else {
      accept(ended, text)
      replies.say('250 2.0.0 taken', {
        after,
        byteByByte: misdeed === 'tarpit',
        onSaid: () => {
          for (const to of ended.to) host.note({ is: 'answered', to })
        },
      })
    }
  }

  function accept(taken: Letter, text: Text): void {
    const { begun, name: envelope } = taken
    for (const to of taken.to)
      host.note({ is: 'accepted', to, begunAt: begun.at, begunSeq: begun.seq, envelope, ...text })
  }

  /** Says what a letter of this kind is told before its dot. */
  function reply(line: string): void {
    replies.say(line, { byteByByte: letter?.misdeed === 'tarpit' })
  }

  const hangFor = (hung: Letter) => 2_000 + 3_000 * lot(rules.seed, 'hang', hung.name, hung.nth)
  const lateBy = (late: Letter) => 1_200 + 1_800 * lot(rules.seed, 'late', late.name, late.nth)
}

function refusalOf(misdeed: Misdeed | null): string | null {
  if (misdeed === 'greylist') return '450 4.2.0 greylisted, come back later'
  return misdeed === 'busy-at-rcpt' ? '451 4.3.2 busy' : null
}

const pathIn = (line: string) => line.slice(line.indexOf('<') + 1, line.indexOf('>'))
