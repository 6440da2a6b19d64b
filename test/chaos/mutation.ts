import type { FaultName } from './faults.ts'
import type { RedCounter } from './verdict.ts'

export type Patch = {
  /** In dist. */
  readonly file: string
  /** The function to look in; without it, the whole file. */
  readonly within?: string
  /** Must be there exactly once. */
  readonly find: string
  readonly put: string
}

/** One guard taken out of the code, the faults it guards against, and the counters that must tell. */
export type Mutation = {
  readonly sentence: string
  readonly patches: readonly Patch[]
  readonly faults: readonly FaultName[]
  readonly kills: number
  readonly recipients?: number
  /** Where one is needed: what a run is like depends on it. */
  readonly seed?: number
  /** Where the queues must live, if not where the run has them. */
  readonly queues?: 'postgres' | 'redis'
  readonly red: readonly RedCounter[]
}
