import type { Mutation } from './mutation.ts'

/** Guards of what a house should bear: a mail host that is away or does not know an address, a database that goes. */
export const outageMutations = {
  'no-suppression': {
    sentence: 'What a mail host refuses for good is forgotten with the letter.',
    patches: [
      { file: 'workers/mailer/record-outcomes.js', find: 'await suppressBounced(tx, gone);', put: '' },
      { file: 'workers/mailer/record-outcomes.js', find: 'await endBounced(tx, gone);', put: '' },
    ],
    faults: ['unknown-user', 'clock-jump'],
    kills: 100,
    red: ['toGone'],
  },
  'no-thrift': {
    sentence: 'A mail host that cannot be reached costs each reader a try.',
    patches: [
      {
        file: 'workers/mailer/judge-outcome.js',
        within: 'judgeOutcome',
        find: 'if (beforeMail.has(outcome.phase))',
        put: 'if (false)',
      },
    ],
    faults: ['mail-host-away', 'clock-jump'],
    kills: 20,
    red: ['burnt'],
  },
  'long-rest': {
    sentence: 'A mail host that could not be reached is tried again after forty seconds.',
    patches: [
      {
        file: 'workers/mailer/relay-circuit.js',
        find: 'rest = Math.min(longest, rest === 0 ? shortest : rest * 2);',
        put: 'rest = 40;',
      },
    ],
    faults: ['mail-host-away', 'clock-jump'],
    kills: 20,
    red: ['recoverySeconds'],
  },
  'no-ear': {
    sentence: 'Nobody listens for connections to PostgreSQL that break while idle.',
    patches: [{ file: 'shared/postgres/pool.js', find: `pool.on('error', options.onError);`, put: '' }],
    faults: ['postgres-restart', 'clock-jump'],
    kills: 40,
    red: ['fallen'],
  },
  'long-patience': {
    sentence: 'A worker waits for the answer to a statement for 35 seconds.',
    patches: [{ file: 'workers/main.js', find: 'answersWithin: 10_000', put: '' }],
    faults: ['postgres-silent'],
    kills: 300,
    red: ['recoverySeconds'],
  },
  'no-word': {
    sentence: 'A worker waits for a word from Redis for as long as it takes.',
    patches: [{ file: 'shared/queues/queue-store.js', find: 'socketTimeout: (longestWait + 2) * 1_000,', put: '' }],
    faults: ['redis-silent'],
    kills: 100,
    queues: 'redis',
    red: ['recoverySeconds', 'idle'],
  },
  'first-failure': {
    sentence: 'The failure of what a queue first asks PostgreSQL is kept.',
    patches: [{ file: 'shared/queues/postgres-backend.js', find: 'this.#ready = undefined;', put: '' }],
    faults: ['postgres-first-look', 'clock-jump'],
    kills: 20,
    queues: 'postgres',
    red: ['idle'],
  },
  rash: {
    sentence: 'A lease that has run out counts as abandoned, also where PostgreSQL was away and nobody could renew it.',
    patches: [
      {
        file: 'workers/mailer/unbroken-answers.js',
        find: 'last - since >= longEnough ? last : null',
        put: 'last',
      },
    ],
    faults: ['postgres-away', 'clock-jump'],
    kills: 400,
    // With a journal for each workers process: the others cannot read what became of a letter.
    seed: 3,
    red: ['inDoubt'],
  },
  'left-claimed': {
    sentence: 'A turn that ends in a fault gives its chunk back as it is, and leaves what it had claimed to the next.',
    patches: [
      { file: 'workers/mailer/give-back.js', within: 'giveBack', find: 'await settleAbandoned(deps, held);', put: '' },
    ],
    faults: ['postgres-cut', 'clock-jump'],
    kills: 400,
    // With a journal for each workers process: the others cannot read what became of a letter.
    seed: 3,
    red: ['inDoubt'],
  },
  loud: {
    sentence: 'A worker logs the letters it has claimed.',
    patches: [
      {
        file: 'workers/mailer/send-chunk.js',
        find: 'if (window.claimedAt === null)',
        put: `deps.log.info({ window }, 'claimed');
        if (window.claimedAt === null)`,
      },
    ],
    faults: ['clock-jump'],
    kills: 20,
    red: ['leaked'],
  },
  'second-name': {
    sentence: 'A letter that is sent again has another Message-ID.',
    patches: [
      {
        file: 'workers/mailer/compose.js',
        find: '({ subscriptionId, address, language })',
        put: '({ subscriptionId, address, language, attempt })',
      },
      {
        file: 'workers/mailer/compose.js',
        find: 'messageId: `',
        put: 'messageId: attempt + `',
      },
    ],
    faults: ['cut-after-dot', 'clock-jump'],
    kills: 40,
    red: ['phantom'],
  },
} as const satisfies Record<string, Mutation>
