import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { openChance } from './chance.ts'

/*
 * Stands before the mail host, the database and Redis, in a process of its own, and cuts connections where it hurts: not
 * before a question but before its answer, when what was asked has been done and nobody has been told.
 */
export type WayName = 'mail-host' | 'database' | 'redis'
export type ProxyOrder =
  | {
      readonly cut: WayName
      /** Of the connections open now. */
      readonly share: number
      readonly seed: number
    }
  /** Whether the mail host's machine is there at all: while it is not, connections are refused. */
  | { readonly away: boolean }
  /** Of the connections open now nothing is heard any more at either end; new ones are sound. */
  | { readonly silence: WayName }
  /** Connections to the database over which this is asked are cut, until it is null. */
  | { readonly cutWhere: string | null }
export type ProxyNews = { readonly ports: Readonly<Record<WayName, number>> }

type Way = { readonly near: Socket; readonly far: Socket; isDoomed: boolean; isSilent: boolean }

/** Milliseconds. */
const probedInVain = 60_000

const names = ['mail-host', 'database', 'redis'] as const
const leadTo = process.argv.slice(2).map(Number)
let cutWhere: string | null = null
const ways: Record<WayName, Set<Way>> = { 'mail-host': new Set(), database: new Set(), redis: new Set() }

const open = (name: WayName, port: number) =>
  new Promise<Server>((resolve) => {
    const server = createServer((near) => {
      const way: Way = { near, far: connect(port, '127.0.0.1'), isDoomed: false, isSilent: false }
      ways[name].add(way)
      for (const socket of [way.near, way.far]) {
        socket.setNoDelay(true)
        socket.on('error', () => {})
        socket.once('close', () => {
          ways[name].delete(way)
          // Of one that fell silent the other end hears nothing of that either, until its own system has probed in vain.
          const other = socket === way.near ? way.far : way.near
          if (way.isSilent) setTimeout(() => other.destroy(), probedInVain).unref()
          else other.destroy()
        })
      }
      carry(way, way.near, way.far, (chunk) => {
        if (name === 'database' && cutWhere !== null && chunk.includes(cutWhere)) way.isDoomed = true
        return !way.isSilent
      })
      // The answer of a way that is to be cut never arrives.
      carry(way, way.far, way.near, () => {
        if (way.isDoomed && !way.isSilent) way.near.resetAndDestroy()
        return !way.isDoomed && !way.isSilent
      })
    })
    server.listen(0, '127.0.0.1', 1024, () => resolve(server))
  })

function carry(way: Way, from: Socket, to: Socket, mayPass: (chunk: Buffer) => boolean): void {
  from.on('data', (chunk: Buffer) => {
    if (!mayPass(chunk) || to.destroyed) return
    if (to.write(chunk)) return
    from.pause()
    to.once('drain', () => from.resume())
  })
  from.once('end', () => {
    if (!way.isSilent) to.end()
  })
}

const servers = await Promise.all(names.map((name, n) => open(name, leadTo[n]!)))
const [mailHostAt, databaseAt, redisAt] = servers.map((server) => (server.address() as AddressInfo).port) as [
  number,
  number,
  number,
]
const mailHost = servers[0]!

process.on('message', (order: ProxyOrder) => {
  if ('away' in order) return order.away ? takeAway() : bringBack()
  if ('silence' in order) {
    for (const way of ways[order.silence]) way.isSilent = true
    return
  }
  if ('cutWhere' in order) {
    cutWhere = order.cutWhere
    return
  }
  const chance = openChance(order.seed)
  for (const way of ways[order.cut]) if (chance.draw() < order.share) way.isDoomed = true
})
process.once('disconnect', () => process.exit())

function takeAway(): void {
  mailHost.close()
  for (const way of ways['mail-host']) way.near.resetAndDestroy()
}

function bringBack(): void {
  mailHost.listen(mailHostAt, '127.0.0.1', 1024)
}

const news: ProxyNews = { ports: { 'mail-host': mailHostAt, database: databaseAt, redis: redisAt } }
process.send?.(news)
