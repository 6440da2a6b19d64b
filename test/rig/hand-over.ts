import { test as base } from 'vitest'
import { openLog } from '../../shared/log/log.ts'
import { openSmtpTransport, type SmtpOptions } from '../../shared/transport/smtp.ts'
import type { Outgoing, Transport } from '../../shared/transport/transport.ts'
import { playHost, type ScriptedHost, type Wire } from './scripted-smtp.ts'

type Rig = {
  /** Plays a mail host and opens a transport to it; both are closed when the test ends. */
  readonly host: (script: (wire: Wire, nth: number) => Promise<void>) => Promise<ScriptedHost>
  readonly transport: (url: string, options?: Partial<SmtpOptions>) => Transport
}

export const test = base.extend<Rig>({
  // biome-ignore lint/correctness/noEmptyPattern: vitest reads which fixtures are wanted from the pattern.
  host: async ({}, use) => {
    const hosts: ScriptedHost[] = []
    await use(async (script) => {
      const host = await playHost(script)
      hosts.push(host)
      return host
    })
    for (const host of hosts) await host.close()
  },
  transport: async ({ host: _closedAfter }, use) => {
    const transports: Transport[] = []
    await use((url, options) => {
      const log = openLog('test', 'silent')
      const transport = openSmtpTransport({ url, connections: 1, clientName: 'press.example', log, ...options })
      transports.push(transport)
      return transport
    })
    // Not awaited: a host that plays dead is closed only after this, and ends what still waits for it.
    for (const transport of transports) void transport.close()
  },
})

export function letterTo(to: string, more: Partial<Outgoing> = {}): Outgoing {
  return {
    envelope: { from: 'b+1@bounce.example', to },
    parts: [Buffer.from(`To: ${to}\r\n\r\n`), Buffer.from('A line.\r\n')],
    mayStart: () => true,
    ...more,
  }
}

/** A promise to be kept by the test. */
export function signal(): { given: Promise<void>; give: () => void } {
  let give = () => {}
  const given = new Promise<void>((resolve) => {
    give = resolve
  })
  return { given, give }
}
