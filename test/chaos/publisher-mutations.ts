import type { Mutation } from './mutation.ts'

const webhook = 'services/api/publisher/accept-webhook.js'
const deliveries = 'shared/delivery/delivery.sql.js'
const audiences = 'shared/postgres/migrations/0018_corrections-and-pauses.sql'
const isStopped = `when h.mailing_state not in ('cutting', 'sending') then 'withdrawn'`

/** Guards of what a publisher was promised: that the old text stops, that whoever has it is told, that an hour is kept. */
export const publisherMutations = {
  'early-answer': {
    sentence: 'A webhook is answered before what it told is committed.',
    patches: [
      {
        file: webhook,
        within: 'acceptWebhook',
        find: 'const answer = await inTransaction(',
        put: 'const answer = await new Promise((resolve, reject) => inTransaction(',
      },
      {
        file: webhook,
        within: 'acceptWebhook',
        find: `return fresh;
    });`,
        put: `resolve(fresh);
        await new Promise((done) => setTimeout(done, 40));
        return fresh;
    }).then(resolve, reject));`,
      },
    ],
    faults: ['api-kill', 'clock-jump'],
    kills: 200,
    red: ['lost'],
  },
  'no-stop': {
    sentence: 'A letter is claimed without asking whether its release has been corrected or withdrawn.',
    patches: [
      { file: deliveries, within: 'writeDeliveries', find: isStopped, put: '' },
      { file: deliveries, within: 'claimDeliveries', find: isStopped, put: '' },
    ],
    faults: ['correction', 'withdrawal', 'greylist', 'clock-jump'],
    kills: 60,
    red: ['late'],
  },
  'no-wait-for-claims': {
    sentence: 'A correction or withdrawal is answered while a worker may still begin a letter with the old text.',
    patches: [
      {
        file: 'shared/delivery/may-still-begin.sql.js',
        within: 'untilNothingReplacedMayBegin',
        find: 'if (wait === 0)',
        put: 'if (wait >= 0)',
      },
    ],
    faults: ['correction', 'withdrawal', 'clock-jump'],
    kills: 120,
    red: ['late'],
  },
  'no-follow-up': {
    sentence: 'Those who have a release that is withdrawn are not told.',
    patches: [{ file: audiences, find: `or (kind = 'withdrawal'`, put: `or (kind = 'nothing'` }],
    faults: ['withdrawal', 'clock-jump'],
    kills: 40,
    red: ['lost'],
  },
  'no-mark': {
    sentence: 'A correction does not say that it is one.',
    patches: [
      {
        file: 'shared/letter/release-view.js',
        find: `kind === 'release' ? title`,
        put: `kind !== 'withdrawal' ? title`,
      },
    ],
    faults: ['correction', 'clock-jump'],
    kills: 40,
    red: ['untold'],
  },
  'same-place': {
    sentence: 'A day’s digest leaves its readers where they stood on the line of releases.',
    patches: [
      {
        file: 'shared/subscription/digest-readers.sql.js',
        within: 'moveCursors',
        find: 'set dealt = greatest(s.dealt, $2)',
        put: 'set dealt = s.dealt',
      },
    ],
    faults: ['digest', 'clock-jump'],
    kills: 40,
    red: ['excess'],
  },
  'no-embargo': {
    sentence: 'A release leaves at once, whatever its hour.',
    patches: [
      {
        file: 'shared/mailing/mailing.sql.js',
        within: 'insertMailing',
        find: `then 'embargoed' else`,
        put: `then 'accepted' else`,
      },
    ],
    faults: ['embargo', 'clock-jump'],
    kills: 20,
    red: ['untimely'],
  },
  'late-embargo': {
    sentence: 'An hour is noticed seventeen seconds after it has come.',
    patches: [
      {
        file: 'shared/mailing/mailing.sql.js',
        within: 'liftDueEmbargoes',
        find: 'due_at <= now()',
        put: `due_at <= now() - interval '17 seconds'`,
      },
    ],
    faults: ['embargo', 'clock-jump'],
    kills: 20,
    red: ['untimely'],
  },
} as const satisfies Record<string, Mutation>
