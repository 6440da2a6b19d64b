import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import PostalMime from 'postal-mime'
import { letterBytes } from '../../shared/letter/fill.ts'
import { type Cuts, unpackPrepared } from '../../shared/letter/pack.ts'
import type { MailingId } from '../../shared/mailing/mailing.ts'
import { listRenderings } from '../../shared/mailing/rendering.sql.ts'
import type { Pool } from '../../shared/postgres/pool.ts'
import { needProgram } from '../rig/programs.ts'

/** Letters per second of Postfix's own source, connections kept, ten sessions to each sink. */
export async function rateOfSource(ports: readonly number[], letters: number, bytes: number): Promise<number> {
  const program = needProgram('smtp-source', 'postfix')
  const started = performance.now()
  await Promise.all(
    ports.map((port) =>
      run(program, [
        '-d',
        '-s',
        '10',
        '-m',
        String(Math.ceil(letters / ports.length)),
        '-l',
        String(bytes),
        `127.0.0.1:${port}`,
      ]),
    ),
  )
  return letters / ((performance.now() - started) / 1000)
}

/** What nodemailer is given: the parts of a letter of ours, in which `token` stands for what differs. */
export type PeerLetter = {
  readonly subject: string
  readonly html: string
  readonly text: string
  readonly token: string
}

/** The letter a mailing was sent with, taken apart again. */
export async function peerLetterOf(pool: Pool, mailing: string): Promise<PeerLetter> {
  const [rendering] = await listRenderings(pool, mailing as MailingId)
  const token = 't'.repeat(64)
  const reader = { to: 'r@d.example', messageId: 'x@mail.example', date: '', token }
  const { html, text, subject } = await PostalMime.parse(
    letterBytes(unpackPrepared({ ...rendering!, cuts: rendering!.cuts as Cuts }), reader),
  )
  return { subject: subject!, html: html!, text: text!, token }
}

/**
 * Letters per second of nodemailer's pool, as a user would write it: compose and send. In three processes one after
 * another: with the same letter one in two or so is a third slower than the others all its life, because V8 has come to
 * compile a few functions otherwise. What they took altogether is what a user gets on the whole.
 */
export async function rateOfNodemailer(port: number, letters: number, letter: PeerLetter): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), 'pressebud-peer-'))
  const file = join(folder, 'letter.json')
  writeFileSync(file, JSON.stringify(letter))
  const peer = [join(import.meta.dirname, 'nodemailer-peer.js'), String(port), String(letters), file]
  let seconds = 0
  for (let turn = 0; turn < nodemailerTurns; turn += 1) seconds += Number(await run(process.execPath, peer))
  rmSync(folder, { recursive: true })
  return (nodemailerTurns * letters) / seconds
}

const nodemailerTurns = 3

const run = (program: string, options: readonly string[]) =>
  new Promise<string>((resolve, reject) => {
    const child = spawn(program, options, { stdio: ['ignore', 'pipe', 'inherit'] })
    let told = ''
    child.stdout.on('data', (text: Buffer) => {
      told += text.toString()
    })
    child.once('exit', (code) => (code === 0 ? resolve(told) : reject(new Error(`${program} ended with ${code}`))))
  })
