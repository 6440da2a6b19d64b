import { expect, test } from 'vitest'
import { smtpLimits } from '../../shared/transport/smtp-limits.ts'

const minutes = 60_000

test('a letter whose dot has left is in doubt no sooner than after ten minutes, in which a slow host may still take it', () => {
  expect(smtpLimits.dot).toBe(600_000)
})

test('a host is given at least the time of RFC 5321 4.5.3.2 for each of its replies, and for the bytes of a letter', () => {
  const { greeting, mail, rcpt, data, block, dot } = smtpLimits
  const waits = { greeting, mail, rcpt, data, block, dot }
  const asked = { greeting: 5, mail: 5, rcpt: 5, data: 2, block: 3, dot: 10 }
  for (const [wait, least] of Object.entries(asked))
    expect(waits[wait as keyof typeof waits], wait).toBeGreaterThanOrEqual(least * minutes)
})
