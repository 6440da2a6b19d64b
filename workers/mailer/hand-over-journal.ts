import { spawnSync } from 'node:child_process'
import {
  closeSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import type { Claimed, HeldChunk, Recorded } from '../../shared/delivery/delivery.ts'
import type { Log } from '../../shared/log/log.ts'
import type { SubscriptionId } from '../../shared/subscription/subscription.ts'

/**
 * How far each letter of a chunk got, in a file of this machine: written before the final dot leaves and when the reply
 * has come. It outlives a killed process, so that whoever takes over its chunk knows what it knew, and only what was on
 * the wire in that moment is in doubt. The page cache is enough: what it does not outlive is a crash of the machine, and
 * a file from before one is not believed.
 */
export type HandOverJournal = {
  /** The dot is about to leave. False: it could not be written down, and must not leave. */
  dot(letter: Claimed): boolean
  /** What became of it. */
  outcome(attempt: number, recorded: Recorded): void
  /** Forgets everything: it is in the ledger. */
  close(): void
  /** Leaves it to be read, after a fault: there may be claims whose answer was lost, and none of their letters began. */
  leave(): void
}

/** What a journal knows of a letter: its outcome, or that the dot may have left. */
export type Told = Recorded | 'dot'

export type HandOverJournals = {
  /** Whether the one begun last could be kept. */
  readonly areKept: boolean
  open(chunk: HeldChunk): HandOverJournal
  /** What an earlier holder's journal tells of a letter's attempt; null: there is none to be believed. */
  read(chunk: HeldChunk): ((letter: Pick<Claimed, 'subscriptionId' | 'attempt'>) => Told | undefined) | null
  forget(chunk: HeldChunk): void
}

/** A machine that keeps none: after every crash all that was claimed is in doubt. */
export const noJournals: HandOverJournals = {
  areKept: false,
  open: () => ({ dot: () => true, outcome: () => {}, close: () => {}, leave: () => {} }),
  read: () => null,
  forget: () => {},
}

/** Older files are of no use to anybody: their chunks have been taken over elsewhere. In milliseconds. */
const longestKept = 86_400_000

const sweepEvery = 3_600_000

/** Opens the folder the journals are in; several processes may share it. */
export function openHandOverJournals(folder: string, log: Log): HandOverJournals {
  const boot = findBoot()
  const cannot = (err: unknown) =>
    log.warn({ err, folder }, 'no hand-over journal can be kept; after a crash more letters will be in doubt')
  if (boot === null) {
    cannot('The machine does not tell one boot from another: /proc/sys/kernel/random/boot_id cannot be read.')
    return noJournals
  }
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    sweep(folder)
    // What mail hosts answered may name a reader, so it does not wait for the next start of a process.
    setInterval(() => sweepIfThere(folder), sweepEvery).unref()
  } catch (err) {
    cannot(err)
    return noJournals
  }
  let areKept = true
  const tell = (isKept: boolean) => {
    areKept = isKept
  }
  const pathOf = ({ mailingId, n, fence }: HeldChunk) => join(folder, `${mailingId}-${n}-${fence}.journal`)
  const remove = (path: string) => rmSync(path, { force: true })
  return {
    get areKept() {
      // Where the disk is full at the end of a mailing, the next journal may not be begun before morning.
      if (!areKept) areKept = canWrite(join(folder, `probe-${process.pid}.journal`))
      return areKept
    },
    open: (chunk) => openJournal(pathOf(chunk), boot, () => remove(pathOf(chunk)), tell, log),
    read: (chunk) => readJournal(pathOf(chunk), boot),
    forget: (chunk) => remove(pathOf(chunk)),
  }
}

/** `tell`: whether one could be begun, or had to be given up. */
function openJournal(
  path: string,
  boot: string,
  remove: () => void,
  tell: (isKept: boolean) => void,
  log: Log,
): HandOverJournal {
  let file: number | null = null
  /** Outcomes leave with the next dot, or with the last of a burst: each write costs as much as all else written down. */
  let waiting = ''
  let flushing: NodeJS.Immediate | null = null
  let hasGap = false
  let isLeft = false

  /** False where a letter's dot must not leave, because nobody would know that it did. */
  function write(text: string): boolean {
    if (file === null) return true
    // What follows a part of a line would be read as its rest.
    if (hasGap) return doWithout()
    try {
      // A disk that fills up takes part of a line first, and says so by the count alone.
      if (writeSync(file, text) === Buffer.byteLength(text)) return true
      return giveUp(new Error('only part of a line could be written'))
    } catch (err) {
      return giveUp(err)
    }
  }

  /** A journal with a gap would call a letter unsent that was sent. None at all only makes more of them doubtful. */
  function giveUp(err: unknown): boolean {
    log.warn({ err }, 'the hand-over journal cannot be written; after a crash more letters would be in doubt')
    hasGap = true
    tell(false)
    return doWithout()
  }

  function doWithout(): boolean {
    try {
      remove()
    } catch {
      return false
    }
    end()
    return true
  }

  function end(): void {
    if (file !== null) closeSync(file)
    file = null
  }

  function flush(): void {
    flushing = null
    // The next dot took it along.
    if (waiting === '') return
    const text = waiting
    waiting = ''
    write(text)
  }

  try {
    file = openSync(path, 'w', 0o600)
    if (write(`${boot}\n`) && !hasGap) tell(true)
  } catch (err) {
    giveUp(err)
  }
  return {
    dot({ subscriptionId, attempt }) {
      // Whoever reads it by now takes what is not in it for unsent.
      if (isLeft) return false
      const text = `${waiting}.${subscriptionId} ${attempt}\n`
      waiting = ''
      return write(text)
    },
    outcome(attempt, recorded) {
      waiting += lineOf(attempt, recorded)
      flushing ??= setImmediate(flush)
    },
    close() {
      if (flushing) clearImmediate(flushing)
      if (file === null) return
      end()
      remove()
    },
    leave() {
      isLeft = true
      if (flushing) clearImmediate(flushing)
      flush()
      end()
    },
  }
}

function readJournal(path: string, boot: string): ReturnType<HandOverJournals['read']> {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch {
    return null
  }
  const [header, ...lines] = text.split('\n')
  if (header !== boot) return null
  // The last piece is empty, or a line whose writing the end of the process cut short: then its dot has not left.
  lines.pop()
  const told = new Map<string, Told>()
  for (const line of lines) {
    const [subscriptionId = '', attempt = '', ...rest] = line.slice(1).split(' ')
    told.set(`${subscriptionId} ${attempt}`, toldBy(line[0]!, subscriptionId as SubscriptionId, rest.join(' ')))
  }
  return ({ subscriptionId, attempt }) => told.get(`${subscriptionId} ${attempt}`)
}

/** The usual outcome has a line of its own, because JSON for each letter cost as much as half of all else written here. */
function lineOf(attempt: number, recorded: Recorded): string {
  const { subscriptionId, state, reply, trouble } = recorded
  return state === 'sent' && trouble === null && reply !== null && !reply.includes('\n')
    ? `+${subscriptionId} ${attempt} ${reply}\n`
    : `=${subscriptionId} ${attempt} ${JSON.stringify(recorded)}\n`
}

function toldBy(mark: string, subscriptionId: SubscriptionId, rest: string): Told {
  if (mark === '+') return { subscriptionId, state: 'sent', wait: null, reply: rest, trouble: null, begun: true }
  return mark === '=' ? (JSON.parse(rest) as Recorded) : 'dot'
}

function sweepIfThere(folder: string): void {
  try {
    sweep(folder)
  } catch {
    // Whoever writes the next journal there tells what is wrong with it.
  }
}

function canWrite(path: string): boolean {
  try {
    writeFileSync(path, 'Can it be written?\n', { mode: 0o600 })
    rmSync(path, { force: true })
    return true
  } catch {
    return false
  }
}

function sweep(folder: string): void {
  const oldest = Date.now() - longestKept
  for (const name of readdirSync(folder).filter((found) => found.endsWith('.journal'))) {
    const path = join(folder, name)
    if ((statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0) < oldest) rmSync(path, { force: true })
  }
}

/** What names this run of the machine, from its start to its end. */
function findBoot(): string | null {
  try {
    if (process.platform === 'linux') return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
    if (process.platform !== 'darwin') return null
    const asked = spawnSync('sysctl', ['-n', 'kern.bootsessionuuid'], { encoding: 'utf8' })
    return asked.status === 0 ? asked.stdout.trim() : null
  } catch {
    return null
  }
}
