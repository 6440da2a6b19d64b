import type { Language } from '../language/language.ts'
import type { Newsroom } from '../newsroom/newsroom.ts'
import { headerPhrase, headerText, mailbox } from './encoded-words.ts'
import { header, slotHeader } from './header-lines.ts'
import { type Piece, slot } from './pieces.ts'

type Sender = {
  readonly newsroom: Newsroom
  readonly language: Language
  readonly publicUrl: string
  readonly mailDomain: string
}

/**
 * The header of a letter to a newsroom's readers, with a release or a digest. A reader's values stand next to one another, so that filling a letter is one small
 * write between shared bytes. Header names are these and no others, whatever a release says.
 */
export function listHeaders(
  sender: Sender,
  subject: string,
  feedback: { readonly label: string; readonly kind: 'release' | 'digest' },
): Piece[] {
  const { newsroom, publicUrl, mailDomain } = sender
  const page = `<${publicUrl}/newsrooms/${newsroom.slug}>`
  return [
    ...commonHeaders(sender, subject),
    // RFC 2919: stable for as long as the list lives, in a domain of ours.
    header('List-Id', `${headerPhrase(newsroom.name, 'List-Id: '.length)} <${newsroom.slug}.${mailDomain}>`.trim()),
    header('List-Help', page),
    header('List-Archive', page),
    header('Precedence', 'bulk'),
    header('Feedback-ID', feedbackId(feedback.label, newsroom, feedback.kind)),
    // RFC 8058: the exact value, beside one https address.
    header('List-Unsubscribe-Post', 'List-Unsubscribe=One-Click'),
    ...readerHeaders(),
    ...slotHeader('List-Unsubscribe', `<${publicUrl}/unsubscribe/`, slot('token'), '>'),
  ]
}

/** A notice is no list mail: there is nothing to leave with one click, and it belongs in no list's folder. */
export const noticeHeaders = (sender: Sender, subject: string, kind: string): Piece[] => [
  ...commonHeaders(sender, subject),
  header('Feedback-ID', feedbackId(kind, sender.newsroom, 'notice')),
  ...readerHeaders(),
]

function commonHeaders({ newsroom, language }: Sender, subject: string): string[] {
  return [
    header('From', mailbox(newsroom.senderName, newsroom.senderAddress, 'From: '.length)),
    ...(newsroom.replyTo === null ? [] : [header('Reply-To', mailbox('', newsroom.replyTo, 'Reply-To: '.length))]),
    header('Subject', headerText(subject, 'Subject: '.length)),
    header('MIME-Version', '1.0'),
    header('Content-Language', language),
    // RFC 3834, and what Exchange reads instead: nobody's out-of-office answers a letter of ours.
    header('Auto-Submitted', 'auto-generated'),
    header('X-Auto-Response-Suppress', 'OOF, AutoReply'),
  ]
}

const readerHeaders = (): Piece[] => [
  ...slotHeader('To', slot('to')),
  ...slotHeader('Message-ID', '<', slot('messageId'), '>'),
  ...slotHeader('Date', slot('date')),
]

/** Gmail's complaint statistics: at most four fields, the last one the same in every letter we send. */
const feedbackId = (label: string, newsroom: Newsroom, kind: string) =>
  [label.replace(/[^\w.-]/g, ''), newsroom.slug, kind, 'pressebud'].join(':')
