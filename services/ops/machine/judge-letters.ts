import type { HeldDoubts } from '../../../shared/mailing/held-doubts.sql.ts'
import type { Lately } from '../../../shared/mailing/lately.sql.ts'
import { number, plural } from '../pages/format.ts'
import type { Finding } from './judge-machine.ts'

/** Letters that were given up, and those that wait for an operator; also of mailings that are over, where nobody looks any more. */
export function judgeLetters(lately: Lately, doubts: HeldDoubts): Finding[] {
  const { failed, fallingShort, newest, bounced, turnedAway, newestTurnedAway } = lately
  return [
    {
      label: 'Letters given up since yesterday',
      value: failed === 0 ? 'none' : number(failed),
      meaning:
        'Refused until RETRY_WINDOW was over, or for what the letter is. Some always are: mailboxes are full, filters take offence.',
      wrong: fallingShort > 0,
      todo: `More than a tenth of the readers of ${plural(fallingShort, 'mailing', 'mailings')} will not get it. Its page has what the mail host said, reader by reader.`,
      href: newest === null ? null : `/mailings/${newest}`,
    },
    {
      label: 'Addresses refused for good since yesterday',
      value: bounced === 0 ? 'none' : number(bounced),
      meaning:
        'There is nobody of that name, said their mail host. What they follow has ended, and nothing is sent there.',
      wrong: turnedAway > 0,
      todo: `More than a tenth of the readers of ${plural(turnedAway, 'mailing', 'mailings')}: an old list, or a mail host that was wrong. Its page has the words. If it was wrong, “pressebud mailing restore-readers ${newestTurnedAway}” brings them back.`,
      href: newestTurnedAway === null ? null : `/mailings/${newestTurnedAway}`,
    },
    {
      label: 'Letters held in doubt',
      value: doubts.letters === 0 ? 'none' : number(doubts.letters),
      meaning: 'Handed over whole, and no reply came. They are kept, and neither sent again nor counted as sent.',
      wrong: doubts.letters > 0,
      todo: 'They wait for you to settle them, on the pages of their mailings.',
      href: doubts.letters === 0 ? null : '/machine#held-doubts',
    },
  ]
}
