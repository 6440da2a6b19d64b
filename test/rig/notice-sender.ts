import PostalMime, { type Email } from 'postal-mime'
import { linkKeys } from '../../shared/links/token.ts'
import { openLog } from '../../shared/log/log.ts'
import type { NoticeId } from '../../shared/notice/notice.ts'
import type { Pool } from '../../shared/postgres/pool.ts'
import { openSmtpTransport } from '../../shared/transport/smtp.ts'
import { openPreparedNotices } from '../../workers/mailer/prepared-notices.ts'
import type { ReceivingDomains } from '../../workers/mailer/receiving-domains.ts'
import { openRelayCircuit, type RelayStanding } from '../../workers/mailer/relay-circuit.ts'
import { sendNotice } from '../../workers/mailer/send-notice.ts'
import { openStandingNotices } from '../../workers/mailer/standing-notices.ts'
import { openUnfitLetters } from '../../workers/mailer/unfit-letters.ts'
import { answerLinkRequests } from '../../workers/scheduler/answer-link-requests.ts'
import { testSecrets } from '../given/secrets.ts'
import { openRecordingInbox, type RecordingInbox } from './recording-inbox.ts'

/** A letter as it reached a mailbox. */
export type Mailed = { readonly to: string; readonly email: Email }

/** The worker that sends notices, on a mail host that keeps what it gets. */
export type NoticeSender = {
  readonly inbox: RecordingInbox
  /** How things stand with the mail host, as the desk is told. */
  standing(): RelayStanding
  /** Answers what was asked for by address, sends every notice that is due, and returns what arrived. */
  work(now?: Date): Promise<Mailed[]>
  /** Sends every notice that is due, all at once. */
  workAtOnce(): Promise<void>
  close(): Promise<void>
}

type NoticeWishes = {
  readonly publicUrl?: string
  /** Another mail host in place of the inbox. */
  readonly smtpUrl?: string
  readonly receivingDomains?: ReceivingDomains
}

const noDns: ReceivingDomains = { isNowhere: async () => false }

export async function openNoticeSender(
  pool: Pool,
  { publicUrl = 'https://press.example', smtpUrl, receivingDomains = noDns }: NoticeWishes = {},
): Promise<NoticeSender> {
  const inbox = await openRecordingInbox()
  const log = openLog('test', 'silent')
  const transport = openSmtpTransport({
    url: smtpUrl ?? inbox.url,
    connections: 2,
    clientName: 'pressebud.example',
    log,
  })
  const circuit = openRelayCircuit(log)
  const mailDomain = 'mail.example'
  const clock = { now: new Date() }
  const deps = {
    ...{ pool, log, transport, mailDomain, links: linkKeys(testSecrets) },
    notices: openPreparedNotices({ pool, log, publicUrl, mailDomain }),
    circuit,
    unfit: openUnfitLetters(log),
    receivingDomains,
    standing: openStandingNotices(),
    curve: { firstWait: 300, window: 172_800 },
    now: () => clock.now,
    chance: () => 0.5,
    stopping: () => false,
  }
  return {
    inbox,
    standing: circuit.standing,
    work: async (now = new Date()) => {
      clock.now = now
      const before = inbox.received.length
      await answerLinkRequests({ pool, wake: () => {}, now: deps.now })
      // Their own clock is the database's; a test that moves the other one means this one as well.
      await pool.query(`update notices set next_at = now() where state = 'due'`)
      const { rows } = await pool.query<{ id: NoticeId }>(
        `select id from notices where state = 'due' order by created_at`,
      )
      for (const { id } of rows) await sendNotice(deps, id)
      return Promise.all(
        inbox.received.slice(before).map(async ({ to, raw }) => ({ to, email: await PostalMime.parse(raw) })),
      )
    },
    workAtOnce: async () => {
      const { rows } = await pool.query<{ id: NoticeId }>(`select id from notices where state = 'due'`)
      await Promise.all(rows.map(({ id }) => sendNotice(deps, id)))
    },
    close: async () => {
      await transport.close()
      await inbox.close()
    },
  }
}

/** Where a letter's link to one of the reader's doors leads, without the host. */
export function doorIn({ email }: Mailed, door: string): string {
  const found = [...(email.text ?? '').matchAll(/https?:\/\/[^/\s]+(\/\S+)/g)].find(([, path]) =>
    path!.startsWith(`/${door}/`),
  )
  if (!found) throw new Error(`“${email.subject}” has no link to ${door}.`)
  return found[1]!
}
