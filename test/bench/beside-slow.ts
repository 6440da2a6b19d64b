import { fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import type { Installation } from '../rig/installation.ts'
import { endProgram } from '../rig/programs.ts'
import { releaseOfSize } from './release-of-size.ts'
import type { Counted } from './slow-host.ts'

export type BesideSlow = {
  /** Letters a second, while all receiving domains are quick. */
  readonly alonePerSecond: number
  /** The same, of 49 domains, while the fiftieth takes two seconds over each letter. */
  readonly besideSlowPerSecond: number
  readonly ratioBesideSlow: number
}

/** Two mailings to all readers, one after the other, into a mail host for which one of fifty domains is slow the second time. */
export async function sendBesideSlow(
  installation: Installation,
  recipients: number,
  bytes: number,
): Promise<BesideSlow> {
  const host = fork(join(import.meta.dirname, 'slow-host.js'))
  const [{ port }] = (await once(host, 'message')) as [{ port: number }]
  const workers = await installation.startWorkers(`smtp://127.0.0.1:${port}`)
  const ask = async (): Promise<Counted> => {
    host.send({})
    const [counted] = (await once(host, 'message')) as [Counted]
    return counted
  }

  async function rate(name: string, slow: string | null): Promise<number> {
    // What the mailing before has left to be written would be charged to this one.
    await installation.pool.query('checkpoint')
    host.send({ slow })
    const others = recipients - (slow === null ? 0 : Math.floor(recipients / 50))
    await installation.publish(`bench-${name}`, releaseOfSize(bytes, name))
    for (;;) {
      const counted = await ask()
      if (counted.others >= others) return counted.others / (counted.ms / 1000)
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
  }

  await rate('slow-warm-up', null)
  const alone = await rate('slow-none', null)
  const beside = await rate('slow-one', 'd7.example')
  await endProgram(workers, 'SIGTERM')
  host.kill()
  return {
    alonePerSecond: Math.round(alone),
    besideSlowPerSecond: Math.round(beside),
    ratioBesideSlow: Number((beside / alone).toFixed(3)),
  }
}
