import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

/**
 * A way to a server on which connections can fall silent: as behind a firewall that has forgotten them, or a server that
 * another has taken the place of, what is sent over them is lost and neither end is told. New connections are sound, unless
 * they are turned away, as by a server that is starting.
 */
export type Way = {
  /** The same URL, by this way. */
  readonly url: string
  /** Whether a connection is hung up instead, by all that was asked over it so far. */
  turnsAway(asked: string): boolean
  /** How many were. */
  turnedAway: number
  fallSilent(): void
  /** Where new connections lead from now on; those there are stay where they are. */
  leadTo(url: string): void
  close(): Promise<void>
}

export async function openWay(to: string): Promise<Way> {
  let target = new URL(to)
  const sockets = new Set<Socket>()
  const server = createServer((near) => {
    const far = connect(Number(target.port), target.hostname)
    let asked = ''
    near.on('data', (part: Buffer) => {
      asked += part.toString('latin1')
      if (!way.turnsAway(asked)) return
      way.turnedAway += 1
      for (const socket of [near, far]) socket.destroy()
    })
    for (const [from, over] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(from)
      from.setNoDelay(true)
      from.on('error', () => {})
      from.pipe(over)
      from.once('close', () => sockets.delete(from))
    }
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const url = new URL(to)
  url.hostname = '127.0.0.1'
  url.port = String((server.address() as AddressInfo).port)
  const way: Way = {
    url: url.href,
    turnsAway: () => false,
    turnedAway: 0,
    fallSilent: () => {
      for (const socket of sockets) {
        socket.unpipe()
        // Read on and thrown away: else a sender would notice by its full buffer.
        socket.resume()
      }
    },
    leadTo: (next) => {
      target = new URL(next)
    },
    close: async () => {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
  return way
}
