import { readFileSync } from 'node:fs'
import type { Log } from '../log/log.ts'
import { type SmtpLimits, smtpLimits } from './smtp-limits.ts'
import { openSmtpPool } from './smtp-pool.ts'
import { readSmtpUrl } from './smtp-url.ts'
import type { Transport } from './transport.ts'

export type SmtpOptions = {
  /** `smtp:` or `smtps:`, with user and password percent-encoded, and `?tls=` and `?ca=` as `readSmtpUrl` reads them. */
  readonly url: string
  readonly connections: number
  /** How we name ourselves in EHLO: a domain that leads back to us (RFC 5321 4.1.1.1). */
  readonly clientName: string
  readonly log: Log
  readonly limits?: Partial<SmtpLimits>
}

/**
 * The hand-over to the mail host, over a few kept connections and pipelined where the host allows it. Opening it
 * connects to nobody; a mistake in the URL or a certificate file that cannot be read is thrown here.
 */
export function openSmtpTransport(options: SmtpOptions): Transport {
  const settings = readSmtpUrl(options.url)
  if (!domainOrLiteral.test(options.clientName)) throw new Error('the client name is a domain or an address literal')
  return openSmtpPool(
    { log: options.log },
    {
      settings,
      certificates: settings.caFile === null ? null : readFileSync(settings.caFile, 'utf8'),
      clientName: options.clientName,
      connections: options.connections,
      limits: { ...smtpLimits, ...options.limits },
    },
  )
}

const domainOrLiteral = /^[!-~]{1,255}$/
