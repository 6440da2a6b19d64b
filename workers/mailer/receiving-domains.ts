import { type MxRecord, NOTFOUND } from 'node:dns'
import { openTurns } from '../../shared/turns.ts'

/** What is asked of DNS: a `Resolver` of Node's will do. */
export type MailDns = {
  resolveMx(domain: string): Promise<MxRecord[]>
  resolve4(domain: string): Promise<string[]>
  resolve6(domain: string): Promise<string[]>
}

/**
 * Whether a receiving domain is surely none: DNS knows no such name, or the domain itself says that it takes no mail
 * (RFC 7505). A mail host that says so may have a DNS of its own that is ill, and who is suppressed by it gets nothing any
 * more; so it is asked again from here, and whatever is not a plain answer within seconds is a no.
 */
export type ReceivingDomains = { isNowhere(domain: string): Promise<boolean> }

/** Milliseconds for an answer, and for which it is kept: a mailing asks once for all its readers of a domain. */
const longest = 5_000
const kept = 60_000
const mostKept = 10_000
const atOnce = 16

export function openReceivingDomains(dns: MailDns, limit = longest): ReceivingDomains {
  const known = new Map<string, { readonly answer: Promise<boolean>; readonly until: number }>()
  const turns = openTurns(atOnce)

  async function ask(domain: string): Promise<boolean> {
    await turns.take()
    try {
      return await isUnknown(dns, domain)
    } catch {
      return false
    } finally {
      turns.giveBack()
    }
  }

  return {
    isNowhere: (domain) => {
      const now = performance.now()
      const found = known.get(domain)
      if (found && now < found.until) return found.answer
      const answer = Promise.race([ask(domain), no(limit)])
      known.delete(domain)
      known.set(domain, { answer, until: now + kept })
      if (known.size > mostKept) known.delete(known.keys().next().value!)
      return answer
    },
  }
}

/** Throws what DNS could not tell. A name without MX records gets its mail at its address (RFC 5321 5.1). */
async function isUnknown(dns: MailDns, domain: string): Promise<boolean> {
  const mx = await orUnknown(dns.resolveMx(domain))
  if (mx !== 'unknown') return mx.length === 1 && mx[0]!.exchange === ''
  const addresses = await Promise.all([orUnknown(dns.resolve4(domain)), orUnknown(dns.resolve6(domain))])
  return addresses.every((answer) => answer === 'unknown')
}

const orUnknown = <Records>(asked: Promise<Records>): Promise<Records | 'unknown'> =>
  asked.catch((error: NodeJS.ErrnoException) => {
    // NXDOMAIN. A name that is there and has no such record is another answer (ENODATA).
    if (error.code === NOTFOUND) return 'unknown'
    throw error
  })

const no = (after: number) => new Promise<false>((resolve) => setTimeout(() => resolve(false), after).unref())
