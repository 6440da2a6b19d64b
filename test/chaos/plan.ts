import type { Chance } from './chance.ts'
import { type Fault, type FaultName, faults } from './faults.ts'
import type { ChaosWishes } from './run.ts'
import type { SinkRules } from './sink-rules.ts'

/** Kills and everything else in one shuffled row. */
export function planActs(wishes: Pick<ChaosWishes, 'faults' | 'kills'>, chance: Chance): FaultName[] {
  return chance.shuffle(
    wishes.faults.flatMap((name) => {
      const fault: Fault = faults[name]
      return fault.kind === 'act' ? Array.from({ length: fault.times(wishes.kills) }, () => name) : []
    }),
  )
}

/** How the mail host of a run behaves, `pace` milliseconds a letter. */
export function rulesOf(names: readonly FaultName[], seed: number, pace: number): SinkRules {
  const chosen = names.map((name): Fault => faults[name])
  const wide = chosen.filter((fault) => fault.kind === 'mail-host-wide')
  return {
    seed,
    pace,
    misdeeds: Object.assign({}, ...chosen.map((fault) => (fault.kind === 'mail-host' ? fault.misdeeds : {}))),
    turnedAway: Math.max(0, ...wide.map((fault) => fault.turnedAway)),
    unknown: Math.max(0, ...wide.map((fault) => fault.unknown)),
  }
}
