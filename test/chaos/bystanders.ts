import { type ChildProcess, fork } from 'node:child_process'
import { join } from 'node:path'
import { endProgram } from '../rig/programs.ts'
import type { ProxyNews, ProxyOrder, WayName } from './proxy.ts'
import type { SinkNews, SinkOrder } from './sink.ts'
import type { SinkRules } from './sink-rules.ts'

export type Sink = {
  readonly port: number
  follow(rules: SinkRules): void
  /** Writes into the journal, at this place in the order of things, that the reader's opt-out has been answered. */
  noteLeft(address: string): void
  /** The same of a correction or withdrawal that puts an end to this mailing and its letters of this title. */
  noteReplaced(mailing: string, title: string): void
  /** No letter of this mailing may begin from here on: an operator's pause or cancelling has been answered long enough ago. */
  noteStopped(mailing: string): void
  /** It may go on. */
  noteResumed(mailing: string): void
  /** Resolves when everything seen so far is in the journal. */
  flush(): Promise<void>
  close(): Promise<void>
}

/** @param signer the public key, in PEM, whose signature each letter must have; null: none */
export async function startSink(journal: string, rules: SinkRules, signer: string | null): Promise<Sink> {
  const child = forkOwn('sink.js', [journal, JSON.stringify(rules), ...(signer ? [signer] : [])])
  const { port } = await nextNews<Extract<SinkNews, { port: number }>>(child)
  const order = (told: SinkOrder) => child.send(told)
  return {
    port,
    follow: (next) => order({ rules: next }),
    noteLeft: (left) => order({ left }),
    noteReplaced: (mailing, title) => order({ replaced: { mailing, title } }),
    noteStopped: (stopped) => order({ stopped }),
    noteResumed: (resumed) => order({ resumed }),
    flush: async () => {
      const flushed = nextNews(child)
      order({ flush: true })
      await flushed
    },
    close: () => endProgram(child),
  }
}

export type CuttingProxy = {
  readonly ports: ProxyNews['ports']
  cut(order: Extract<ProxyOrder, { cut: unknown }>): void
  /** Loses what is said over the connections there are, for good; new ones are sound. */
  silence(way: WayName): void
  /** Breaks connections to the database over which this is asked, before the answer, until it is called with null. */
  cutWhere(asked: string | null): void
  /** Breaks every connection to the mail host and refuses new ones, until it is to be back. */
  takeMailHost(away: boolean): void
  close(): Promise<void>
}

/** `ports`: where the ways lead. */
export async function startProxy(ports: Readonly<Record<WayName, number>>): Promise<CuttingProxy> {
  const child = forkOwn('proxy.js', [ports['mail-host'], ports.database, ports.redis].map(String))
  const news = await nextNews<ProxyNews>(child)
  return {
    ports: news.ports,
    cut: (order) => child.send(order),
    silence: (way) => child.send({ silence: way } satisfies ProxyOrder),
    cutWhere: (asked) => child.send({ cutWhere: asked } satisfies ProxyOrder),
    takeMailHost: (away) => child.send({ away } satisfies ProxyOrder),
    close: () => endProgram(child),
  }
}

const forkOwn = (entry: string, args: string[]) => fork(join(import.meta.dirname, entry), args)

const nextNews = <News>(child: ChildProcess) =>
  new Promise<News>((resolve, reject) => {
    child.once('message', (news) => resolve(news as News))
    child.once('exit', (code) => reject(new Error(`a part of the harness ended with ${code}`)))
  })
