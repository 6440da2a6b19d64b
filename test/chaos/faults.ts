import { acts, type Stage } from './acts.ts'
import type { Misdeed } from './sink-rules.ts'

/**
 * Everything a run can do to the installation. `doubts`: it can leave letters in doubt, as everything can that breaks a
 * connection to the mail host; a run of faults that cannot must end without one.
 */
export type Fault = {
  readonly sentence: string
  readonly doubts: boolean
} & (
  | {
      readonly kind: 'act'
      readonly act: (stage: Stage) => Promise<void>
      /** How often in a run of so many kills. */
      readonly times: (kills: number) => number
    }
  | { readonly kind: 'mail-host'; readonly misdeeds: Readonly<Partial<Record<Misdeed, number>>> }
  | { readonly kind: 'mail-host-wide'; readonly turnedAway: number; readonly unknown: number }
  | { readonly kind: 'visitors' }
)

const now = (kills: number, each: number) => Math.max(1, Math.round(kills / each))
const act = (sentence: string, doubts: boolean, each: number, play: (stage: Stage) => Promise<void>): Fault => ({
  kind: 'act',
  sentence,
  doubts,
  act: play,
  times: (kills) => now(kills, each),
})
/** What takes a minute is for long runs. */
export const isLongRun = (kills: number) => kills >= 100
const misdeed = (sentence: string, doubts: boolean, misdeeds: Partial<Record<Misdeed, number>>): Fault => ({
  kind: 'mail-host',
  sentence,
  doubts,
  misdeeds,
})

export const faults = {
  'worker-kill': {
    kind: 'act',
    sentence: 'A workers process is killed (SIGKILL) and started again.',
    doubts: true,
    act: acts.killWorker,
    times: (kills) => kills,
  },
  'fan-out-kill': act(
    'A workers process is killed while a release is being prepared and its audience cut.',
    true,
    10,
    acts.killInFanOut,
  ),
  'worker-kill-away': act(
    'A workers process is killed while PostgreSQL is away, and started again as it comes back.',
    true,
    20,
    acts.killWhileAway,
  ),
  'worker-hang': act(
    'A workers process is stopped (SIGSTOP) for longer than its claims last, or until others have taken over its chunks.',
    true,
    20,
    acts.hangWorker,
  ),
  sigterm: act(
    'Every workers process is ended in good order (SIGTERM), one after another.',
    false,
    20,
    acts.rollWorkers,
  ),
  'api-kill': act('The api is killed while it is answering a webhook.', false, 10, acts.killApi),
  'redis-flush': act('Redis forgets everything.', false, 10, acts.flushRedis),
  'redis-stop': act('Redis is killed and comes back empty some seconds later.', false, 20, acts.loseRedis),
  'redis-hang': act('Redis is stopped (SIGSTOP) for some seconds.', false, 20, acts.hangRedis),
  'redis-cut': act(
    'Connections to Redis are cut when the command has been carried out and before its answer has come.',
    false,
    5,
    acts.cutRedis,
  ),
  'redis-silent': {
    kind: 'act',
    sentence: 'Connections to Redis fall silent, and nobody is told; new ones are sound. In runs of 100 kills.',
    doubts: false,
    act: acts.silenceRedis,
    times: (kills) => (isLongRun(kills) ? now(kills, 100) : 0),
  },
  'postgres-restart': act('PostgreSQL is restarted in good order.', false, 20, acts.restartPostgres),
  'postgres-crash': act('PostgreSQL is killed, every process of it, and recovers.', false, 20, acts.crashPostgres),
  'postgres-away': act('PostgreSQL is away for longer than the tries of a job last.', false, 40, acts.losePostgres),
  'postgres-hang': act('PostgreSQL is stopped (SIGSTOP) for some seconds.', false, 20, acts.hangPostgres),
  'postgres-hang-long': {
    kind: 'act',
    sentence:
      'PostgreSQL is stopped (SIGSTOP) for longer than a statement’s answer is waited for; in runs of 100 kills.',
    doubts: false,
    act: acts.hangPostgresLong,
    times: (kills) => (isLongRun(kills) ? now(kills, 250) : 0),
  },
  'postgres-cut': act(
    'Connections to PostgreSQL are cut when the statement has been carried out and before its answer has come.',
    false,
    5,
    acts.cutPostgres,
  ),
  'postgres-first-look': act(
    'A workers process is started, and connections are cut over which its queues ask PostgreSQL for their tables.',
    true,
    20,
    acts.cutFirstLook,
  ),
  'postgres-silent': {
    kind: 'act',
    sentence: 'Connections to PostgreSQL fall silent, and nobody is told; new ones are sound. In runs of 100 kills.',
    doubts: true,
    act: acts.silencePostgres,
    times: (kills) => (isLongRun(kills) ? now(kills, 100) : 0),
  },
  'smtp-cut': act(
    'Connections to the mail host are reset when it has answered and before the answer has come.',
    true,
    5,
    acts.cutMailHost,
  ),
  'mail-host-away': act(
    'The mail host is away: connections are refused for 20 seconds, in runs of 100 kills for up to 60.',
    true,
    100,
    acts.loseMailHost,
  ),
  'disk-full': act('The disk of PostgreSQL and Redis is full for some seconds.', true, 40, acts.fillDisk),
  'clock-jump': act(
    'The clock of a workers process or of the api jumps: ten minutes ahead or behind, or an hour behind; and back.',
    false,
    10,
    acts.jumpClock,
  ),
  embargo: act('A release is published whose hour comes some seconds later.', false, 10, acts.publishUnderEmbargo),
  digest: act('A day passes, and readers of digests are told what was published since.', false, 10, acts.passDay),
  pause: act(
    'An operator pauses the mailing that is under way, and resumes it some seconds later.',
    false,
    10,
    acts.pauseMailing,
  ),
  cancel: act('An operator cancels the mailing that is under way.', false, 20, acts.cancelMailing),
  greylist: misdeed('The mail host greylists: 450 at the first try.', false, { greylist: 0.03 }),
  busy: misdeed('The mail host answers 451, to RCPT or after the dot.', false, {
    'busy-at-rcpt': 0.01,
    'busy-after-dot': 0.01,
  }),
  'host-leaves': misdeed('The mail host says 421 and hangs up, after MAIL FROM or after the dot.', true, {
    'leave-after-mail': 0.002,
    'leave-after-dot': 0.002,
  }),
  'turned-away': {
    kind: 'mail-host-wide',
    sentence: 'The mail host greets with 421 and hangs up.',
    doubts: false,
    turnedAway: 0.02,
    unknown: 0,
  },
  'unknown-user': {
    kind: 'mail-host-wide',
    sentence: 'The mail host does not know some addresses: 550 5.1.1.',
    doubts: false,
    turnedAway: 0,
    unknown: 0.005,
  },
  'cut-after-rcpt': misdeed('The mail host breaks off after RCPT.', true, { 'cut-after-rcpt': 0.002 }),
  'cut-after-354': misdeed('The mail host breaks off while the letter is coming.', true, { 'cut-after-354': 0.002 }),
  'cut-after-dot': misdeed('The mail host breaks off after the dot, with the letter kept or lost.', true, {
    'cut-after-dot': 0.003,
  }),
  'hang-after-354': misdeed('The mail host says 354, then nothing, and breaks off seconds later.', true, {
    'hang-after-354': 0.001,
  }),
  'hang-after-dot': misdeed('The mail host says nothing after the dot, and breaks off seconds later.', true, {
    'hang-after-dot': 0.001,
  }),
  'late-250': misdeed('The mail host takes one to three seconds to say 250.', false, { 'late-250': 0.005 }),
  tarpit: misdeed('The mail host answers a byte at a time.', false, { tarpit: 0.002 }),
  'opt-out': {
    kind: 'visitors',
    sentence: 'Readers leave at random moments by the one-click link of an earlier letter.',
    doubts: false,
  },
  follow: { kind: 'visitors', sentence: 'Readers confirm at random moments.', doubts: false },
  correction: {
    kind: 'visitors',
    sentence: 'The publisher corrects releases at random moments, mostly the one whose letters are leaving.',
    doubts: false,
  },
  withdrawal: {
    kind: 'visitors',
    sentence: 'The publisher takes releases back at random moments, mostly the one whose letters are leaving.',
    doubts: false,
  },
  'duplicate-webhook': {
    kind: 'visitors',
    sentence: 'Every webhook is sent several times at once, under one id.',
    doubts: false,
  },
} as const satisfies Record<string, Fault>

export type FaultName = keyof typeof faults
export const faultNames = Object.keys(faults) as FaultName[]
