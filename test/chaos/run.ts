import { whenBrokenOff } from '../rig/break-off.ts'
import type { Stage } from './acts.ts'
import { openChance } from './chance.ts'
import { type Counts, countLetters } from './count.ts'
import { cutLastDigest } from './digests.ts'
import { listIdle } from './each-alone.ts'
import { readErrorsLogged } from './errors-logged.ts'
import { type Fault, type FaultName, faults, isLongRun } from './faults.ts'
import { type House, openHouse } from './house.ts'
import { followJournal } from './journal.ts'
import { readLeaksLogged } from './leaks-logged.ts'
import { readLedger } from './ledger.ts'
import { planActs, rulesOf } from './plan.ts'
import { openPress } from './press.ts'
import type { TellingKind } from './publisher.ts'
import { gatherReaders } from './readers.ts'
import { withAllWorkers, worstRecovery } from './recovery.ts'
import { settleHeld } from './settle-held.ts'
import { longestTakeover } from './takeover.ts'
import { openTally } from './tally.ts'
import { untilEnded } from './until-ended.ts'
import { isGreen, listVain } from './verdict.ts'
import { sendVisitors } from './visitors.ts'

export type ChaosWishes = {
  readonly entries: string
  readonly seed: number
  readonly recipients: number
  readonly kills: number
  readonly faults: readonly FaultName[]
  readonly workers: number
  readonly queues: 'redis' | 'postgres'
  /** Told now and then where the run stands. */
  say(progress: Progress): void
}

export type Progress = {
  readonly kills: number
  readonly mailings: number
  readonly letters: number
  readonly now: string
}

export type ChaosResult = Omit<Counts, 'culprits'> & {
  readonly recoverySeconds: number
  readonly slowestPart: string
  readonly takeoverSeconds: number
  readonly slowestTakeover: string
  readonly kills: number
  readonly mailings: number
  /** Of the mailings. */
  readonly corrections: number
  readonly withdrawals: number
  readonly notEnded: number
  readonly optOuts: number
  /** Readers who would leave or follow and were turned away, or were not answered by the end. */
  readonly unheeded: number
  /** Lines of an error in the logs of our own processes. */
  readonly errors: number
  /** Lines in these logs that tell a reader's address, a token of theirs or a secret. */
  readonly leaked: number
  /** Whether each workers process kept a hand-over journal of its own, as on machines of their own. */
  readonly ownJournals: boolean
  /** Whether letters were signed, and each one's signature looked at. */
  readonly isSigned: boolean
  /** What became of letters in doubt. */
  readonly doubtsWere: 'resend' | 'hold'
  /** Parts that ended by themselves and were started again, or not in order when they were told to. */
  readonly fallen: number
  /** Workers processes that brought no mailing to its end when it was left to them alone. */
  readonly idle: number
  /** Acts that met nothing however often they were played: what they are aimed at was not tried. */
  readonly vain: number
  readonly played: Readonly<Record<string, number>>
  /** How often of these nothing was met of what an act was aimed at: letters leaving, an audience being cut. */
  readonly inVain: Readonly<Record<string, number>>
  readonly skipped: Readonly<Record<string, string>>
  /** Whether some fault of the run can leave a letter in doubt. */
  readonly mayDoubt: boolean
  readonly seconds: number
  readonly culprits: readonly string[]
  readonly folder: string
}

/** Milliseconds the mail host takes over a letter: a mailing must last long enough for things to happen to it. */
const pace = 25

/** Every third seed. */
const hasOwnJournals = (seed: number) => seed % 3 === 0
/** Every second seed. */
const isSigned = (seed: number) => seed % 2 === 0
/** Every fifth seed. */
const inDoubtOf = (seed: number) => (seed % 5 === 0 ? 'hold' : 'resend')

/** One run: an installation, readers, releases, faults, and the reckoning. */
export async function runChaos(wishes: ChaosWishes): Promise<ChaosResult> {
  const started = performance.now()
  const house = await openHouse({
    ...wishes,
    pace,
    smallDisk: wishes.faults.includes('disk-full'),
    ownJournals: hasOwnJournals(wishes.seed),
    isSigned: isSigned(wishes.seed),
    inDoubt: inDoubtOf(wishes.seed),
  })
  const goOn = whenBrokenOff(() => house.close(false))
  let isClean = false
  try {
    const result = await play(wishes, house)
    isClean = isGreen(result)
    return { ...result, seconds: Math.round((performance.now() - started) / 1000) }
  } finally {
    goOn()
    await house.close(!isClean)
  }
}

async function play(wishes: ChaosWishes, house: House): Promise<ChaosResult> {
  const { seed } = wishes
  const chance = openChance(seed)
  const has = (name: FaultName) => wishes.faults.includes(name)
  const { newsroom } = house.installation
  const readers = await gatherReaders(house.pool, newsroom.id, wishes.recipients, has('digest'))
  const readJournal = followJournal(house.journal)
  const tally = openTally((address, leaveUrl) => {
    const reader = readers.get(address)
    if (reader) reader.leaveUrl = leaveUrl
  })
  const look = () => tally.take(readJournal())
  const press = openPress(house, String(seed), openChance(seed + 2), has('duplicate-webhook'))
  const played: Record<string, number> = {}
  const inVain: Record<string, number> = {}
  const skipped: Record<string, string> = {}
  const cancelled = new Map<string, number>()
  let now = 'a calm mailing first'

  const newest = () => press.newest()?.title ?? ''
  const mailings = () => press.told.length
  const tell = () =>
    wishes.say({ kills: played['worker-kill'] ?? 0, mailings: mailings(), letters: tally.acceptances.length, now })
  const ticking = setInterval(() => {
    look()
    tell()
  }, 100)

  // One mailing in peace: it gives every reader a letter to leave by, and shows that the house stands.
  await press.publishNext()
  // The same letters over and over are no way to an end.
  const most = () => 3 * wishes.recipients * mailings()
  const letEnd = () => untilEnded(house, () => Math.min(most(), tally.acceptances.length))
  await letEnd()
  look()

  house.sink.follow(rulesOf(wishes.faults, seed, pace))
  const acts = planActs(wishes, chance)
  let actsPlayed = 0
  const visitors = sendVisitors({
    house,
    chance: openChance(seed + 1),
    readers: [...readers.values()],
    leaving: has('opt-out'),
    following: has('follow'),
    progress: () => actsPlayed / acts.length,
    // Readers of digests wait for no letter of this moment, and would leave before all others.
    hasNewest: (reader) => reader.readsDigests || (tally.copies.get(newest())?.has(reader.address) ?? false),
  })
  press.beginRevising({ corrections: has('correction'), withdrawals: has('withdrawal') })
  let isBusy = true
  const publishing = keepBusy()

  for (const name of acts) {
    await pause(chance.between(100, 800))
    now = name
    const stage: Stage = {
      house,
      chance,
      publishNext: press.publishNext,
      publishForLater: press.publishForLater,
      newest: press.newest,
      noteCancelled: (mailing, asked) => cancelled.set(mailing, asked),
      isLong: isLongRun(wishes.kills),
      letters: () => tally.acceptances.length,
      skip: (why) => {
        skipped[name] = why
      },
      noteInVain: () => {
        inVain[name] = (inVain[name] ?? 0) + 1
      },
    }
    const fault: Fault = faults[name]
    if (fault.kind === 'act') await fault.act(stage)
    if (!(name in skipped)) played[name] = (played[name] ?? 0) + 1
    actsPlayed += 1
  }

  now = 'waiting for the rest'
  isBusy = false
  await publishing
  await press.close()
  await letEnd()
  const { taken, disturbed } = await house.takeovers.close()
  now = 'a mailing for each workers process'
  const idle = await listIdle(house, press.publishNext, letEnd)
  const unheeded = await visitors.close()
  now = 'a last digest'
  const isDigestLost = has('digest') && !(await cutLastDigest(house, letEnd))
  let byItself = Infinity
  const doubledWhileHeld = inDoubtOf(seed) === 'hold' ? await settle() : []
  clearInterval(ticking)
  await house.sink.flush()
  look()
  const ledger = await readLedger(house.pool)
  const { told } = press
  const { freezes } = house
  const outages = withAllWorkers(
    house.outages,
    house.workers.map(({ name }) => name),
  )
  const takeover = longestTakeover(taken, outages)
  // What was kept for an operator waited for nothing else.
  const recovery = worstRecovery(outages, told, { acceptances: tally.acceptances.slice(0, byItself) })
  const errors = readErrorsLogged(house.folder)
  const leaked = readLeaksLogged(house.folder, readers)
  const counts = countLetters({
    ...{ told, readers, tally, ledger, outages, freezes, disturbed, cancelled, doubledWhileHeld },
    hasOneJournal: !hasOwnJournals(seed),
  })
  const vain = listVain({ ...counts, played, inVain })
  const toldOf = (kind: TellingKind) => told.filter((one) => one.kind === kind).length
  return {
    ...counts,
    lost: counts.lost + Number(isDigestLost),
    culprits: [
      ...counts.culprits,
      ...house.fallen.map((part) => `fallen: ${part}`),
      ...idle.map((part) => `idle: ${part}`),
      ...vain.map((act) => `vain: ${act}`),
      ...(isDigestLost ? ['lost: the last digest, which was not cut'] : []),
      ...unheeded.map((who) => `unheeded: ${who}`),
      ...errors.map((line) => `errors: ${line}`),
      ...leaked.map((line) => `leaked: ${line}`),
    ],
    recoverySeconds: Number(recovery.seconds.toFixed(1)),
    slowestPart: recovery.part,
    takeoverSeconds: Number(takeover.seconds.toFixed(1)),
    slowestTakeover: takeover.what,
    kills: played['worker-kill'] ?? 0,
    mailings: told.length,
    corrections: toldOf('correction'),
    withdrawals: toldOf('withdrawal'),
    notEnded: ledger.notEnded.length,
    optOuts: visitors.left(),
    unheeded: unheeded.length,
    errors: errors.length,
    leaked: leaked.length,
    ownJournals: hasOwnJournals(seed),
    isSigned: isSigned(seed),
    doubtsWere: inDoubtOf(seed),
    fallen: house.fallen.length,
    idle: idle.length,
    vain: vain.length,
    played,
    inVain,
    skipped,
    mayDoubt: wishes.faults.some((name) => faults[name].doubts),
    seconds: 0,
    folder: house.folder,
  }

  async function settle(): Promise<string[]> {
    now = 'letters in doubt are sent again'
    await house.sink.flush()
    look()
    byItself = tally.acceptances.length
    return settleHeld(house, tally, letEnd)
  }

  /** There is always a mailing under way: the next begins when the last is half accepted, taken back or cancelled. */
  async function keepBusy(): Promise<void> {
    while (isBusy) {
      const last = press.newest()
      const isStopped = last?.kind === 'withdrawal' || cancelled.has(last?.mailings[0] ?? '')
      if (isStopped || tally.acceptedOf(newest()) > wishes.recipients * 0.5) await press.publishNext()
      await pause(50)
    }
  }
}

const pause = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds))
