import type { Mutation } from './mutation.ts'
import { outageMutations } from './outage-mutations.ts'
import { publisherMutations } from './publisher-mutations.ts'

const chunks = 'shared/delivery/chunk.sql.js'
const deliveries = 'shared/delivery/delivery.sql.js'
const attempts = 'shared/delivery/record-attempts.sql.js'

export const mutations = {
  'no-lease': {
    sentence: 'A chunk is taken although another process holds it.',
    patches: [
      {
        file: chunks,
        within: 'leaseChunk',
        find: '(c.lease_until is null',
        put: '(true',
      },
      {
        file: chunks,
        within: 'dueChunks',
        find: '(c.lease_until is null',
        put: '(true',
      },
    ],
    // Nothing here can leave a letter in doubt; only two holders of one chunk can.
    faults: ['redis-flush', 'greylist'],
    kills: 40,
    red: ['inDoubt', 'excess'],
  },
  'no-recheck': {
    sentence: 'A letter is claimed without asking whether its reader has left.',
    patches: [
      {
        file: deliveries,
        within: 'writeDeliveries',
        find: `when s.state <> 'active' or b.address is null then 'opted_out'`,
        put: '',
      },
      {
        file: deliveries,
        within: 'claimDeliveries',
        find: `when s.state <> 'active' or s.activated_at > h.accepted_at or b.address is null then 'opted_out'`,
        put: '',
      },
    ],
    faults: ['opt-out', 'greylist', 'sigterm'],
    kills: 60,
    red: ['late'],
  },
  'no-halt': {
    sentence: 'A chunk is taken and its letters claimed without asking whether an operator has paused the mailing.',
    patches: [
      { file: chunks, within: 'leaseChunk', find: ' and not m.paused', put: '' },
      { file: deliveries, within: 'claimDeliveries', find: ' and not m.paused', put: '' },
      { file: deliveries, within: 'writeDeliveries', find: ' or paused', put: '' },
    ],
    faults: ['pause', 'greylist'],
    kills: 60,
    red: ['late'],
  },
  'no-wait': {
    sentence: 'An opt-out is answered while a worker may still begin a letter to that reader.',
    patches: [
      {
        file: 'shared/delivery/may-still-begin.sql.js',
        within: 'untilNobodyMayBegin',
        find: 'if (wait === 0)',
        put: 'if (wait >= 0)',
      },
    ],
    faults: ['opt-out', 'sigterm'],
    kills: 160,
    red: ['late'],
  },
  'no-give-back': {
    sentence: 'A letter that was given back because its reader leaves begins all the same.',
    patches: [{ file: 'workers/mailer/hand-over.js', find: 'mayStart() && !askedFor.has(place)', put: 'mayStart()' }],
    faults: ['opt-out', 'sigterm'],
    kills: 160,
    red: ['late'],
  },
  'ack-before-send': {
    sentence: 'A letter is recorded as sent before it is handed over.',
    patches: [
      {
        file: 'workers/mailer/hand-over.js',
        within: 'handOver',
        find: 'let putBack = 0;',
        put: `let putBack = 0;
    await recordOutcomes(deps, chunk, window.map(({ subscriptionId }) => ({ subscriptionId, state: 'sent', wait: null, reply: null, trouble: null, begun: true })), claimedAt);`,
      },
    ],
    faults: ['worker-kill'],
    kills: 8,
    red: ['lost'],
  },
  'no-unique': {
    sentence: 'A chunk’s letters are written anew at each lease, and no unique key refuses the second.',
    patches: [
      {
        file: 'shared/postgres/migrations/0001_the-house.sql',
        find: `  reply text,
  primary key (mailing_id, subscription_id),
  check (state in ('due', 'claimed'`,
        put: `  reply text,
  check (state in ('due', 'claimed'`,
      },
      {
        file: 'shared/postgres/migrations/0001_the-house.sql',
        find: 'create table attempts (',
        put: `create index deliveries_letter on deliveries (mailing_id, subscription_id);

create table attempts (`,
      },
      { file: chunks, within: 'leaseChunk', find: `fresh: row.state === 'cut'`, put: 'fresh: true' },
      { file: deliveries, within: 'writeDeliveries', find: `and c.state = 'cut'`, put: '' },
    ],
    faults: ['greylist'],
    kills: 1,
    recipients: 400,
    red: ['excess'],
  },
  'no-fence': {
    sentence: 'A process that has lost its chunk may still record what became of it.',
    patches: [
      { file: attempts, within: 'recordAttempts', find: `and d.state = 'claimed' and d.fence = $3`, put: '' },
      // Another's claim has another hour, too.
      { file: attempts, within: 'recordAttempts', find: 'or d.at = $8', put: 'or true' },
    ],
    faults: ['worker-hang'],
    kills: 100,
    red: ['excess', 'lost', 'notEnded'],
  },
  'forget-doubt': {
    sentence: 'Letters that a vanished process may have handed over are sent again without being counted as in doubt.',
    patches: [
      {
        file: 'workers/mailer/judge-outcome.js',
        within: 'judgeAbandoned',
        find: '...doubt }',
        put: '...doubt, trouble: null }',
      },
    ],
    faults: ['worker-kill'],
    kills: 20,
    red: ['excess'],
  },
  'no-hold': {
    sentence: 'Letters in doubt are sent again although they are to be kept for an operator.',
    patches: [
      {
        file: 'workers/mailer/judge-outcome.js',
        within: 'judgeAbandoned',
        find: 'doubted(given,',
        put: `doubted({ ...given, doubt: 'resend' },`,
      },
    ],
    faults: ['worker-kill'],
    kills: 40,
    seed: 5,
    red: ['excess'],
  },
  'presume-sent': {
    sentence: 'Letters that a vanished process had claimed are taken to have been sent.',
    patches: [
      {
        file: 'workers/mailer/judge-outcome.js',
        within: 'judgeAbandoned',
        find: '...doubt }',
        put: `...doubt, state: 'sent', wait: null }`,
      },
      {
        file: 'workers/mailer/record-outcomes.js',
        within: 'tellingsOf',
        find: `(journal(letter) ?? 'unbegun')`,
        put: `(journal(letter) ?? 'dot')`,
      },
    ],
    faults: ['worker-kill'],
    kills: 10,
    red: ['lost'],
  },
  'no-dot': {
    sentence: 'A letter leaves without a line in the journal, so that after a kill it is taken to be unsent.',
    patches: [{ file: 'workers/mailer/hand-over.js', find: '&& journal.dot(claimed)', put: '' }],
    faults: ['worker-kill'],
    kills: 20,
    red: ['excess'],
  },
  'no-thaw': {
    sentence: 'A process that was frozen past its lease goes on where it was.',
    patches: [
      {
        file: 'workers/mailer/hand-over.js',
        find: 'lease.runs() && journal.dot(claimed) && lease.runs()',
        put: 'journal.dot(claimed)',
      },
    ],
    faults: ['worker-hang'],
    kills: 100,
    red: ['excess'],
  },
  'old-claim': {
    sentence: 'A process that was frozen past its claims begins letters by them all the same.',
    patches: [
      {
        file: 'workers/mailer/hand-over.js',
        within: 'handOver',
        find: 'performance.now() < beginBefore && ',
        put: '',
      },
      { file: 'workers/mailer/hand-over.js', within: 'handOver', find: 'until: beginBefore', put: 'until: Infinity' },
    ],
    faults: ['worker-hang', 'correction', 'opt-out'],
    kills: 240,
    red: ['late'],
  },
  'no-journal': {
    sentence: 'What a vanished process had claimed is all held to be in doubt, whatever its journal tells.',
    patches: [
      {
        file: 'workers/mailer/record-outcomes.js',
        within: 'tellingsOf',
        find: `journal ? (journal(letter) ?? 'unbegun') : 'dot'`,
        put: `'dot'`,
      },
    ],
    faults: ['worker-kill'],
    kills: 10,
    red: ['unheard'],
  },
  'long-lease': {
    sentence: 'What a vanished process had in hand waits for two minutes until another may take it.',
    patches: [{ file: 'shared/delivery/delivery.js', find: 'chunkLease = 8', put: 'chunkLease = 120' }],
    faults: ['worker-kill'],
    kills: 10,
    red: ['takeoverSeconds'],
  },
  'long-try': {
    sentence: 'A release whose preparing ended with its process waits for two minutes until another may try.',
    patches: [{ file: 'shared/mailing/trouble.js', find: 'tryLease = 3', put: 'tryLease = 120' }],
    faults: ['fan-out-kill', 'clock-jump'],
    kills: 100,
    red: ['takeoverSeconds'],
  },
  'sign-for-another': {
    sentence: 'Letters that are signed together have the signature of the first of them.',
    patches: [{ file: 'workers/mailer/sign-thread.mjs', find: 'reader, time))', put: 'letters[0][1], time))' }],
    faults: ['greylist'],
    kills: 1,
    // Every second one signs.
    seed: 2,
    red: ['phantom'],
  },
  ...publisherMutations,
  ...outageMutations,
  'no-reconcile': {
    sentence: 'Nobody looks for work that the queue has forgotten.',
    patches: [
      {
        file: 'workers/scheduler/reconcile.js',
        within: 'reconcile',
        find: 'each(wakeChunks),',
        put: '',
      },
    ],
    faults: ['redis-flush', 'redis-stop'],
    kills: 20,
    red: ['notEnded', 'lost'],
  },
} as const satisfies Record<string, Mutation>

export type MutationName = keyof typeof mutations
