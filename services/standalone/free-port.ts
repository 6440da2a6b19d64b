import { createServer } from 'node:net'
import { listenFrom } from './inbox/listen-from.ts'

/**
 * The wished port, or the next one that is free on loopback and not in `taken`. Somebody else may take it before its
 * process listens; that process then says so and the launcher stops.
 */
export async function findFreePort(wished: number, taken: Set<number>): Promise<number> {
  for (let from = wished; ; from += 1) {
    const server = createServer()
    await listenFrom(from, (port) => listen(server, port))
    const { port } = server.address() as { port: number }
    await new Promise((resolve) => server.close(resolve))
    if (taken.has(port)) {
      from = port
      continue
    }
    taken.add(port)
    return port
  }
}

const listen = (server: ReturnType<typeof createServer>, port: number) =>
  new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, '127.0.0.1', () => {
      server.off('error', reject)
      resolve()
    })
  })
