import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { defaultOf, layOutPostfix, type PostfixOptions } from './postfix-layout.ts'
import { endProgram, findProgram, freePort, untilListening } from './programs.ts'
import { until } from './until.ts'

export type Postfix = {
  readonly port: number
  /** What it has logged since it was first started. Its daemons log through another, so the last lines may be late. */
  log(): string
  /** What each client that is gone had said in all, as smtpd sums it up: `ehlo=2 starttls=1 … commands=9`. */
  sessions(): string[]
  letters(): StoredLetter[]
  /** Waits until nothing is under way: every letter it took is in its mailbox. */
  untilDelivered(): Promise<void>
  /** As `postfix stop` does it: every daemon is ended where it stands. */
  stop(): Promise<void>
  start(): Promise<void>
  /** Ends it whatever state it is in, and removes every trace. */
  close(): Promise<void>
}

/** A letter as it lies in a mailbox. */
export type StoredLetter = {
  readonly from: string
  readonly to: string
  /** Under which id it was queued: one hand-over, one id, however often a mailbox is written. */
  readonly queueId: string
  /** What Postfix has put before it. */
  readonly trace: string
  /** The letter as its sender wrote it, with CRLF for the line ends of the mailbox. */
  readonly bytes: string
}

/** Why there can be no Postfix here, or null. Its daemons run under several accounts, which only root may give them. */
export function whyNoPostfix(): string | null {
  if (findProgram('postconf') === null) return 'postfix is not installed'
  return process.getuid?.() === 0 ? null : 'only root may start postfix'
}

/** Why it can keep no logins, or null: saslpasswd2 writes them, and a plug-in of the SASL library reads them. */
export function whyNoLogins(): string | null {
  const program = findProgram('saslpluginviewer')
  if (program === null) return 'sasl2-bin is not installed'
  const mechanisms = execFileSync(program, ['-s', '-m', 'PLAIN'], { stdio: ['ignore', 'pipe', 'ignore'] }).toString()
  return mechanisms.includes('SASL mechanism: PLAIN') ? null : 'libsasl2-modules is not installed'
}

/**
 * A Postfix as the distribution ships it, in a folder of its own and on 127.0.0.1 alone. It touches no other instance
 * and sends nothing on. Which mailboxes it has is in `postfix-layout.ts`.
 */
export async function startPostfix(options: PostfixOptions = {}): Promise<Postfix> {
  const folder = mkdtempSync(join(tmpdir(), 'pressebud-postfix-'))
  const port = await freePort()
  let running: Running | null = null

  const log = () => (existsSync(join(folder, 'log')) ? readFileSync(join(folder, 'log'), 'utf8') : '')
  const start = async () => {
    running = spawnGuarded(folder)
    await untilListening(port)
  }
  const stop = async () => {
    if (!running) return
    running.guard.kill()
    await endProgram(running.master)
    running = null
  }
  const close = async () => {
    if (running) await release(running)
    running = null
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
  }

  try {
    layOutPostfix(folder, port, options)
    await start()
  } catch (error) {
    const told = log()
    await close()
    throw new Error(`Postfix did not start. ${told}`, { cause: error })
  }
  return {
    port,
    log,
    sessions: () => readSessions(log()),
    letters: () => readMailbox(join(folder, 'mail', 'letters', 'new')),
    untilDelivered: async () => {
      await until('Postfix has delivered everything', () => isQueueEmpty(join(folder, 'queue')))
    },
    stop,
    start,
    close,
  }
}

type Running = { readonly master: ChildProcess; readonly guard: ChildProcess }

// Detached, the master leads a group of processes, by which all its daemons are reached. The guard hears it when this
// process ends, however it ends, and clears away after it.
function spawnGuarded(folder: string): Running {
  const program = join(defaultOf('daemon_directory'), 'master')
  const master = spawn(program, ['-c', folder, '-d'], { stdio: 'ignore', detached: true })
  const clearAway = 'read -r _; kill -KILL "-$1"; rm -rf "$2"'
  const guard = spawn('/bin/sh', ['-c', clearAway, 'guard', String(master.pid), folder], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
  })
  return { master, guard }
}

async function release({ master, guard }: Running): Promise<void> {
  const alive = [master, guard].filter((child) => child.exitCode === null && child.signalCode === null)
  const ended = alive.map((child) => once(child, 'exit'))
  guard.stdin?.end()
  await Promise.all(ended)
}

// One that said nothing only looked whether the port is open.
function readSessions(log: string): string[] {
  const summaries = [...log.matchAll(/ disconnect from \S+ (.+)/g)].map((match) => match[1] ?? '')
  return summaries.filter((summary) => summary !== 'commands=0/0')
}

function isQueueEmpty(queue: string): boolean {
  const entries = ['maildrop', 'incoming', 'active', 'deferred'].flatMap((name) =>
    readdirSync(join(queue, name), { recursive: true, withFileTypes: true }),
  )
  return !entries.some((entry) => entry.isFile() && isTaken(join(entry.parentPath, entry.name)))
}

// Postfix marks a queue file as executable when it is complete; only then has it taken the letter. One that has gone since
// it was listed may lie in the next queue by now: that is for the next look.
function isTaken(path: string): boolean {
  const file = statSync(path, { throwIfNoEntry: false })
  return file === undefined || (file.mode & 0o100) !== 0
}

// The folder of a Maildir where a letter appears once it is complete.
function readMailbox(folder: string): StoredLetter[] {
  if (!existsSync(folder)) return []
  return readdirSync(folder).map((name) => readStored(readFileSync(join(folder, name), 'utf8')))
}

function readStored(text: string): StoredLetter {
  const [trace = ''] = traceFields.exec(text) ?? []
  return {
    from: /^Return-Path: <(.*)>$/m.exec(trace)?.[1] ?? '',
    to: /^Delivered-To: (.*)$/m.exec(trace)?.[1] ?? '',
    queueId: /\bid ([0-9A-Za-z]+)/.exec(trace)?.[1] ?? '',
    trace,
    bytes: text.slice(trace.length).replaceAll('\n', '\r\n'),
  }
}

const traceFields = /^(?:(?:Return-Path|X-Original-To|Delivered-To|Received):.*\n(?:[ \t].*\n)*)*/
