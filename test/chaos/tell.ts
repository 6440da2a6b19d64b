import type { ChaosResult, ChaosWishes } from './run.ts'
import { redCounters } from './verdict.ts'

type Shown = Pick<ChaosWishes, 'seed' | 'recipients' | 'workers' | 'queues'>

export function tellFaults(rows: Readonly<Record<string, { readonly sentence: string }>>): string {
  const widest = Math.max(...Object.keys(rows).map((name) => name.length))
  return Object.entries(rows)
    .map(([name, { sentence }]) => `  ${name.padEnd(widest)}  ${sentence}\n`)
    .join('')
}

export function toJson({ seed, recipients, workers, queues }: Shown, result: ChaosResult): string {
  const red = redCounters(result)
  return JSON.stringify({
    ...{ seed, recipients, workers, queues },
    ...result,
    culprits: result.culprits.slice(0, mostCulprits),
    folder: red.length > 0 ? result.folder : undefined,
    red,
  })
}

const mostCulprits = 20

export function tellResult(wishes: Shown, result: ChaosResult): string {
  const red: readonly string[] = redCounters(result)
  const row = (name: string, value: string | number, note = '') =>
    `  ${name.padEnd(17)}${String(value).padStart(9)}${red.includes(name) ? '  RED' : ''}${note && `  ${note}`}`
  const others = Object.entries(result.endedOtherwise).map(([state, letters]) => `${letters} ${state}`)
  const inVain = (name: string) => (name in result.inVain ? ` (${result.inVain[name]} in vain)` : '')
  const played = Object.entries(result.played).map(([name, times]) => `${name} ${times}${inVain(name)}`)
  const skipped = Object.entries(result.skipped).map(([name, why]) => `  skipped: ${name}: ${why}`)
  const culprits = result.culprits.slice(0, mostCulprits).map((culprit) => `  ${culprit}`)
  const more = result.culprits.length - culprits.length
  return [
    `Seed ${wishes.seed}, ${wishes.recipients} readers, ${wishes.workers} workers processes, queues in ${wishes.queues}, ${result.ownJournals ? 'a journal for each' : 'one journal'}, letters ${result.isSigned ? 'signed' : 'unsigned'}, those in doubt ${result.doubtsWere === 'hold' ? 'kept' : 'sent again'}: ${result.seconds} seconds`,
    row('owed', result.owed, `in ${result.mailings} mailings`),
    row('corrections', result.corrections, `and ${result.withdrawals} withdrawals`),
    row('accepted', result.accepted, others.length > 0 ? `and ${others.join(', ')}` : ''),
    row('lost', result.lost),
    row('doubled', result.doubled),
    row('inDoubt', result.inDoubt),
    row('excess', result.excess),
    row('late', result.late, `${result.optOuts} readers left; ${result.bare} bare`),
    row('phantom', result.phantom),
    row('untold', result.untold),
    row('toGone', result.toGone),
    row('unheard', result.unheard),
    row('untimely', result.untimely, `of ${result.played.embargo ?? 0} under embargo`),
    row('burnt', result.burnt),
    row('unheeded', result.unheeded),
    row('errors', result.errors),
    row('leaked', result.leaked),
    row('notEnded', result.notEnded),
    row('fallen', result.fallen),
    row('idle', result.idle),
    row('vain', result.vain),
    row('recoverySeconds', result.recoverySeconds, result.slowestPart),
    row('takeoverSeconds', result.takeoverSeconds, result.slowestTakeover),
    row('kills', result.kills),
    `  played: ${played.join(', ')}`,
    ...skipped,
    ...culprits,
    ...(more > 0 ? [`  … and ${more} more`] : []),
    red.length === 0
      ? 'The promise was kept.'
      : `The promise was BROKEN (${red.join(', ')}). What is left to look at: ${result.folder}`,
  ].join('\n')
}
