import { isCutOff, isSilent, type WorkerStanding } from '../../../shared/worker/worker.ts'
import { plural, span } from '../pages/format.ts'
import type { Finding } from './judge-machine.ts'

/** Whether anybody works, and whether the mail host can be used: what a night's call is most often about. */
export function judgeWorkers(workers: readonly WorkerStanding[], now: Date): Finding[] {
  const heard = workers.filter((worker) => !isSilent(worker, now))
  const silent = workers.length - heard.length
  const cutOff = heard.filter((worker) => isCutOff(worker, now))
  const journalless = heard.filter(({ keepsJournal }) => !keepsJournal).length
  const first = cutOff[0]?.trouble ?? null
  return [
    {
      label: 'Workers processes',
      value:
        heard.length === 0
          ? 'none is heard'
          : `${plural(heard.length, 'is heard', 'are heard')}${silent > 0 ? `, ${plural(silent, 'has', 'have')} gone silent` : ''}`,
      meaning:
        'Each says every five seconds that it lives. One that ends in the middle is taken off by the others after a minute and a half.',
      wrong: heard.length === 0,
      todo: 'Nothing is sent. Is a workers process running, does it reach the database, and may it write to it?',
      href: '#workers',
    },
    {
      label: 'Journals of hand-overs',
      value: journalless === 0 ? 'kept' : `${plural(journalless, 'process keeps', 'processes keep')} none`,
      meaning:
        'Its journal tells how far each letter of a killed process had come. Without one, everything it had in hand is in doubt: hundreds of letters.',
      wrong: journalless > 0,
      todo: 'Letters leave all the same. Is the disk of JOURNAL_DIR full, or may the process not write there? Its log says why. On Windows none can be kept.',
      href: '#workers',
    },
    {
      label: first === null ? 'The mail host' : 'The mail host cannot be used',
      value: first === null ? 'no trouble is known' : first.detail.replace(/\.$/, ''),
      meaning:
        'Letters wait while it cannot be used, and no reader’s attempt is spent. It is tried again every few seconds.',
      wrong: first !== null,
      todo:
        first === null
          ? null
          : `So for ${span(Math.max(0, (now.getTime() - first.since.getTime()) / 1000))}, seen by ${cutOff.length} of ${plural(heard.length, 'workers process', 'workers processes')}. Mend it, or SMTP_URL; letters wait and then leave by themselves.`,
      href: '#workers',
    },
  ]
}
