import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { openChance } from './chance.ts'

/*
 * Stands before the mail host and the database, in a process of its own, and cuts connections where it hurts: not
 * before a question but before its answer, when what was asked has been done and nobody has been told.
 */
export type ProxyOrder = {
  readonly cut: 'mail-host' | 'database'
  /** Of the connections open now. */
  readonly share: number
  readonly seed: number
}
export type ProxyNews = { readonly ports: { readonly 'mail-host': number; readonly database: number } }

type Way = { readonly near: Socket; readonly far: Socket; isDoomed: boolean }

const [mailHostPort, databasePort] = process.argv.slice(2).map(Number) as [number, number]
const ways = { 'mail-host': new Set<Way>(), database: new Set<Way>() }

const open = (name: keyof typeof ways, port: number) =>
  new Promise<number>((resolve) => {
    const server = createServer((near) => {
      const way: Way = { near, far: connect(port, '127.0.0.1'), isDoomed: false }
      ways[name].add(way)
      for (const socket of [way.near, way.far]) {
        socket.setNoDelay(true)
        socket.on('error', () => {})
        socket.once('close', () => {
          ways[name].delete(way)
          way.near.destroy()
          way.far.destroy()
        })
      }
      carry(way.near, way.far, () => true)
      // The answer of a way that is to be cut never arrives.
      carry(way.far, way.near, () => {
        if (way.isDoomed) way.near.resetAndDestroy()
        return !way.isDoomed
      })
    })
    server.listen(0, '127.0.0.1', 1024, () => resolve((server.address() as AddressInfo).port))
  })

function carry(from: Socket, to: Socket, mayPass: () => boolean): void {
  from.on('data', (chunk: Buffer) => {
    if (!mayPass() || to.destroyed) return
    if (to.write(chunk)) return
    from.pause()
    to.once('drain', () => from.resume())
  })
  from.once('end', () => to.end())
}

process.on('message', ({ cut, share, seed }: ProxyOrder) => {
  const chance = openChance(seed)
  for (const way of ways[cut]) if (chance.draw() < share) way.isDoomed = true
})
process.once('disconnect', () => process.exit())

const news: ProxyNews = {
  ports: { 'mail-host': await open('mail-host', mailHostPort), database: await open('database', databasePort) },
}
process.send?.(news)
