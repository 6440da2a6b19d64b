import { expect, onTestFinished } from 'vitest'
import type { Outcome, Outgoing } from '../../shared/transport/transport.ts'
import { readReply } from '../../workers/mailer/reply-rules.ts'
import { letterTo } from './hand-over.ts'
import { type Postfix, startPostfix } from './postfix.ts'
import type { PostfixOptions } from './postfix-layout.ts'
import { until } from './until.ts'

/** Ended with the test that asked for it. */
export async function openPostfix(options: PostfixOptions = {}): Promise<Postfix> {
  const postfix = await startPostfix(options)
  onTestFinished(() => postfix.close())
  return postfix
}

/** Letters whose bytes a mail host could get wrong: dots, blanks at the end, empty lines, a line like an envelope. */
export function letterRange(count: number): Outgoing[] {
  return Array.from({ length: count }, (_, at) => {
    const head = `From: press@news.example\r\nTo: reader${at}@mail.example\r\nSubject: =?utf-8?Q?Bl=C3=A5b=C3=A6r?=\r\n folded\r\n`
    const body = `\r\nFrom us to you:\r\n...\r\n..\r\n..x${at} \r\n\r\næøå\t\r\n${'lang linje '.repeat(80)}\r\nend\r\n..\r\n\r\n`
    return letterTo(`reader${at}@mail.example`, { parts: [Buffer.from(head), Buffer.from(body)] })
  })
}

const bytesOf = (letter: Outgoing) => letter.parts.map(String).join('').replaceAll('\r\n..', '\r\n.')

/** Every letter was accepted, and lies in the mailbox once, under the id Postfix answered with, byte for byte. */
export async function expectEachOnce(postfix: Postfix, letters: readonly Outgoing[], outcomes: readonly Outcome[]) {
  await postfix.untilDelivered()
  const stored = postfix.letters()
  const expected = letters.map((letter, at) => {
    const { from, to } = letter.envelope
    return { from, to, queueId: queueIdIn(outcomes[at]), bytes: bytesOf(letter) }
  })
  expect(stored.map(({ trace: _, ...letter }) => letter).sort(byReader)).toEqual(expected.sort(byReader))
}

export function queueIdIn(outcome: Outcome | undefined): string {
  const told = outcome?.kind === 'accepted' ? /^Ok: queued as (\w+)$/.exec(outcome.reply.text) : null
  return told?.[1] ?? `not accepted: ${JSON.stringify(outcome)}`
}

/** Which letters Postfix took for each reader. Stopped while it delivers, it may itself write one and the same twice. */
export function takenIds(postfix: Postfix): Map<string, string[]> {
  const ids = new Map<string, string[]>()
  for (const { to, queueId } of postfix.letters()) ids.set(to, [...new Set([...(ids.get(to) ?? []), queueId])])
  return ids
}

const byReader = (one: { to: string }, other: { to: string }) => one.to.localeCompare(other.to)

export function meaningOf(outcome: Outcome | undefined) {
  return outcome?.kind === 'refused' ? readReply(outcome.phase, outcome.reply) : outcome?.kind
}

/** What clients said, once so many are gone. */
export function sessionsOf(postfix: Postfix, count: number): Promise<string[]> {
  return until('they are gone', () => postfix.sessions().length >= count && postfix.sessions())
}
