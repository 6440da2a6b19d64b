import PostalMime from 'postal-mime'
import { letterBytes } from '../../shared/letter/fill.ts'
import type { PreparedLetter } from '../../shared/letter/letter.ts'

/** A letter's HTML as a reader's mail programme finds it: filled in for somebody, sent and taken apart again. */
export async function htmlOf(letter: PreparedLetter): Promise<string> {
  const reader = {
    to: 'ola@example.com',
    messageId: '1@example.com',
    date: 'Tue, 03 Nov 2026 08:05:30 +0000',
    token: 't'.repeat(64),
  }
  return (await PostalMime.parse(letterBytes(letter, reader))).html!
}
