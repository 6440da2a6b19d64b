import { noOffers, type Offers, readOffers } from './smtp-commands.ts'
import { isLoopback, type SmtpSettings } from './smtp-url.ts'
import type { Outcome, Phase, Reply } from './transport.ts'

/** One question and its answer at a time, as a session begins. */
export type Dialogue = {
  /** Says the line, or nothing, and waits for the reply. Rejects with `OpeningFailure` when none comes. */
  ask(phase: Phase, line: string | null): Promise<Answer>
  /** Turns to TLS; rejects with `OpeningFailure` where that fails. */
  secure(): Promise<void>
}

export type Answer = { readonly reply: Reply; readonly lines: readonly string[] }

export type Failure = Extract<Outcome, { kind: 'refused' | 'unreachable' }>

/** No session with the host; `failure` is what became of every letter that waited for one. */
export class OpeningFailure extends Error {
  readonly failure: Failure

  constructor(failure: Failure) {
    super(failure.kind === 'refused' ? `refused with ${failure.reply.code}` : failure.detail)
    this.name = 'OpeningFailure'
    this.failure = failure
  }
}

/** Greets, turns to TLS and logs in as the settings ask, and returns what the host offers in the end. */
export async function openSession(dialogue: Dialogue, settings: SmtpSettings, clientName: string): Promise<Offers> {
  accept('greeting', await dialogue.ask('greeting', null))
  let offers = await sayHello(dialogue, clientName)
  let isSecure = settings.tls === 'implicit'
  if (settings.tls === 'required' && !offers.startTls) throw unreachable('starttls', 'the host offers no STARTTLS')
  if ((settings.tls === 'required' || settings.tls === 'optional') && offers.startTls) {
    accept('starttls', await dialogue.ask('starttls', 'STARTTLS'))
    await dialogue.secure()
    // RFC 3207 4.2: what was offered in clear text may have been anybody's words.
    offers = await sayHello(dialogue, clientName)
    isSecure = true
  }
  if (!settings.login) return offers
  if (!isSecure && !isLoopback(settings.host)) throw unreachable('auth', 'no TLS, so no password was sent')
  await logIn(dialogue, settings.login, offers)
  return offers
}

async function sayHello(dialogue: Dialogue, clientName: string): Promise<Offers> {
  const answer = await dialogue.ask('ehlo', `EHLO ${clientName}`)
  if (isPositive(answer.reply)) return readOffers(answer.lines)
  // RFC 5321 3.2: a host that does not know EHLO says so with 5xx. A 421 is no such answer.
  if (answer.reply.code < 500) throw refused('ehlo', answer.reply)
  accept('ehlo', await dialogue.ask('ehlo', `HELO ${clientName}`))
  return noOffers
}

async function logIn(dialogue: Dialogue, login: { user: string; password: string }, offers: Offers): Promise<void> {
  if (offers.auth.includes('PLAIN')) {
    accept('auth', await dialogue.ask('auth', `AUTH PLAIN ${base64(`\0${login.user}\0${login.password}`)}`))
    return
  }
  if (!offers.auth.includes('LOGIN')) throw unreachable('auth', 'the host offers neither AUTH PLAIN nor LOGIN')
  expectChallenge(await dialogue.ask('auth', 'AUTH LOGIN'))
  expectChallenge(await dialogue.ask('auth', base64(login.user)))
  accept('auth', await dialogue.ask('auth', base64(login.password)))
}

function expectChallenge({ reply }: Answer): void {
  if (reply.code !== 334) throw reply.code < 400 ? outOfTurn('auth') : refused('auth', reply)
}

function accept(phase: Phase, { reply }: Answer): void {
  if (!isPositive(reply)) throw reply.code < 400 ? outOfTurn(phase) : refused(phase, reply)
}

const isPositive = (reply: Reply) => reply.code >= 200 && reply.code < 300
const base64 = (text: string) => Buffer.from(text).toString('base64')
const refused = (phase: Phase, reply: Reply) => new OpeningFailure({ kind: 'refused', phase, reply })
const unreachable = (phase: Phase, detail: string) => new OpeningFailure({ kind: 'unreachable', phase, detail })
const outOfTurn = (phase: Phase) => unreachable(phase, 'the host answered out of turn')
