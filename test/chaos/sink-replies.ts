import type { Socket } from 'node:net'

/**
 * What a sink says on one connection, in order: each thing when the ones before it are said. What is read is never held
 * up by what is to be said, so that a letter's beginning is noted when its bytes come.
 */
export type Replies = {
  say(line: string, how?: { after?: number; onSaid?: () => void; byteByByte?: boolean }): void
  /** Ends the connection: with a reset, or as if the host had closed it. */
  cut(after: number, withReset: boolean): void
}

export function openReplies(socket: Socket): Replies {
  const waiting: (() => Promise<void>)[] = []
  let isBusy = false
  const add = (act: () => Promise<void>) => {
    waiting.push(act)
    if (!isBusy) void work()
  }
  async function work() {
    isBusy = true
    for (let act = waiting.shift(); act && !socket.destroyed; act = waiting.shift()) await act()
    isBusy = false
  }
  return {
    say: (line, { after = 0, onSaid, byteByByte = false } = {}) =>
      add(async () => {
        if (after > 0) await pause(after)
        if (socket.destroyed) return
        if (byteByByte) await drip(socket, `${line}\r\n`)
        else socket.write(`${line}\r\n`)
        onSaid?.()
      }),
    cut: (after, withReset) =>
      add(async () => {
        if (after > 0) await pause(after)
        if (withReset) socket.resetAndDestroy()
        else socket.destroy()
      }),
  }
}

const byteEvery = 15

async function drip(socket: Socket, text: string): Promise<void> {
  for (const byte of text) {
    if (socket.destroyed) return
    socket.write(byte)
    await pause(byteEvery)
  }
}

const pause = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds))
