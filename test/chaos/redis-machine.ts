import { rmSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { endProgram, startRedis } from '../rig/programs.ts'

export type RedisMachine = {
  readonly url: string
  /** Forgets everything while running. */
  flush(): Promise<void>
  /** Is killed, stays away and comes back knowing nothing. */
  lose(awayFor: number): Promise<void>
  /** Hears and says nothing for a while. */
  hang(milliseconds: number): Promise<void>
  close(): Promise<void>
}

export async function openRedisMachine(folder: string): Promise<RedisMachine> {
  let server = await startRedis(folder)
  const { port, url } = server
  return {
    url,
    flush: () => say(port, 'FLUSHALL'),
    lose: async (awayFor) => {
      await endProgram(server.child, 'SIGKILL')
      rmSync(join(folder, 'appendonlydir'), { recursive: true, force: true })
      await pause(awayFor)
      server = await startRedis(folder, port)
    },
    hang: async (milliseconds) => {
      server.child.kill('SIGSTOP')
      await pause(milliseconds)
      server.child.kill('SIGCONT')
    },
    close: () => endProgram(server.child, 'SIGKILL'),
  }
}

const say = (port: number, command: string) =>
  new Promise<void>((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(`${command}\r\n`))
    socket.once('error', reject)
    socket.once('data', () => {
      socket.destroy()
      resolve()
    })
  })

const pause = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds))
