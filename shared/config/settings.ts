import { mailHostFault, publicAddressFault, redisFault } from './setting-faults.ts'
import { spans } from './spans.ts'

/**
 * Every setting, once: its name, kind, default and reason. Start-up reads them all, reports every mistake at once and
 * stops; `docs/settings.md` is checked against this table.
 */
export type SettingKind =
  | 'url'
  | 'text'
  | 'domain'
  | 'secret'
  | 'secrets'
  | 'port'
  | 'count'
  | 'seconds'
  | 'folder'
  | 'file'
  | 'choice'
  | 'addresses'

export type SettingRow = {
  readonly kind: SettingKind
  /** In the form it would have in the environment; `null`: nothing is assumed. */
  readonly default: string | null
  /** A process that reads it does not start without it. */
  readonly required?: true
  readonly reason: string
  /** Schemes a `url` may have. */
  readonly schemes?: readonly string[]
  /** Whether it may name several, parted by commas. */
  readonly many?: true
  /** What is wrong with a `url` as this setting needs it, in words that follow the name; `null`: nothing. */
  readonly fault?: (text: string) => string | null
  readonly choices?: readonly string[]
  /** Bounds of a number; for a secret, of its length. */
  readonly least?: number
  readonly most?: number
}

export const settingTable = {
  DATABASE_URL: {
    kind: 'url',
    schemes: ['postgres', 'postgresql'],
    default: null,
    required: true,
    reason: 'PostgreSQL 15 or newer, the truth of everything. `npm start` runs one of its own when this is not set.',
  },
  REDIS_URL: {
    kind: 'url',
    schemes: ['redis', 'rediss'],
    many: true,
    fault: redisFault,
    default: null,
    reason:
      'Redis or Valkey for the queues, with `noeviction` and AOF; of a cluster several nodes, parted by commas. Not set: the queues live in PostgreSQL.',
  },
  SMTP_URL: {
    kind: 'url',
    schemes: ['smtp', 'smtps'],
    fault: mailHostFault,
    default: null,
    required: true,
    reason:
      'The mail host: `smtp://user:password@host:587`. Away from loopback STARTTLS is required; `?tls=never` or `?tls=optional` says otherwise.',
  },
  PUBLIC_URL: {
    kind: 'url',
    schemes: ['http', 'https'],
    fault: publicAddressFault,
    default: null,
    required: true,
    reason:
      'Where readers reach the API. It stands in every letter, so it must be https away from loopback (RFC 8058).',
  },
  SECRET_KEY: {
    kind: 'secrets',
    least: 32,
    default: null,
    required: true,
    reason:
      'Seals the keys of newsrooms and signs every link; 32 characters or more. Several, parted by commas, while rotating: the first one makes, all of them open.',
  },
  HOST: {
    kind: 'text',
    default: '127.0.0.1',
    reason: 'The address the API listens on; loopback unless told otherwise.',
  },
  PORT: { kind: 'port', default: '3000', reason: 'The port of the API.' },
  OPS_HOST: { kind: 'text', default: '127.0.0.1', reason: "The address the operators' desk listens on." },
  OPS_PORT: { kind: 'port', default: '3001', reason: "The port of the operators' desk." },
  OPS_PASSWORD: {
    kind: 'secret',
    least: 12,
    default: null,
    required: true,
    reason: "The operators' password, 12 characters or more. There is no default; `npm start` makes one for each run.",
  },
  TRUST_PROXY: {
    kind: 'addresses',
    default: '',
    reason: 'Addresses or networks of the reverse proxies whose X-Forwarded-For is believed; empty: nobody.',
  },
  JOURNAL_DIR: {
    kind: 'folder',
    default: '.data/hand-over',
    reason:
      'Where workers note how far each letter is, so that after a crash only what was on the wire is in doubt. On this machine’s disk; workers of one machine may share it.',
  },
  DATA_DIR: { kind: 'folder', default: '.data', reason: 'Where `npm start` keeps its database, letters and logs.' },
  FILES_DIR: {
    kind: 'folder',
    default: null,
    reason:
      'A folder whose pictures and documents the API serves under /files/, for publishers without a web host for them. Not set: none.',
  },
  LOG_LEVEL: {
    kind: 'choice',
    choices: ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'],
    default: 'info',
    reason: 'How much the processes say.',
  },
  MAIL_DOMAIN: {
    kind: 'domain',
    default: null,
    reason: 'The domain in Message-IDs, List-Ids and bounce addresses. Not set: the host of PUBLIC_URL.',
  },
  DKIM_DOMAIN: {
    kind: 'text',
    default: null,
    reason:
      'The domain that signs letters (DKIM `d=`): that of the newsrooms’ senders. Not set: Pressebud does not sign, and the mail host should.',
  },
  DKIM_SELECTOR: {
    kind: 'text',
    default: null,
    reason: 'The name the RSA key is published under in DNS.',
  },
  DKIM_RSA_KEY_FILE: {
    kind: 'file',
    default: null,
    reason: 'The RSA private key in PEM, 2048 bits; readable by the workers alone.',
  },
  DKIM_ED25519_SELECTOR: {
    kind: 'text',
    default: null,
    reason: 'The name of an Ed25519 key, for a second signature beside the first (RFC 8463). Not set: one signature.',
  },
  DKIM_ED25519_KEY_FILE: {
    kind: 'file',
    default: null,
    reason: 'The Ed25519 private key in PEM.',
  },
  SMTP_CONNECTIONS: {
    kind: 'count',
    least: 1,
    most: 200,
    default: '20',
    reason:
      'Connections each workers process keeps to the mail host. Twenty keep one on the same machine busy; more pay over a network. In place of those that a slow receiving domain keeps waiting as many again may be opened.',
  },
  CHUNK_SIZE: {
    kind: 'count',
    least: 1,
    most: 5000,
    default: '1000',
    reason: 'Readers in one chunk: one job, one lease, one window. Half as many cost PostgreSQL a tenth more.',
  },
  MAILER_CHUNKS: {
    kind: 'count',
    least: 1,
    most: 64,
    default: '2',
    reason:
      'Chunks a workers process has in hand: one on the wire while the other is claimed or recorded. More only put more letters in doubt when a machine is lost.',
  },
  RETRY_FIRST_WAIT: {
    kind: 'seconds',
    least: 1,
    most: 86_400,
    default: '300',
    reason:
      'The wait after the first temporary refusal. Five minutes lets greylisting pass; shorter only for demonstrations.',
  },
  RETRY_WINDOW: {
    kind: 'seconds',
    least: 1,
    most: 1_209_600,
    default: '172800',
    reason: 'How long a temporary refusal is tried again before the delivery has failed: 48 hours.',
  },
  IN_DOUBT: {
    kind: 'choice',
    choices: ['resend', 'hold'],
    default: 'resend',
    reason:
      'What becomes of a letter whose final dot was written and never answered: sent again under the same Message-ID, or held for an operator.',
  },
  RECONCILE_EVERY: {
    kind: 'seconds',
    least: 1,
    most: 60,
    default: '5',
    reason:
      'How often due work that no queue remembers is woken again. What a killed worker had in hand stays in nobody’s for up to this much longer than its lease of eight seconds.',
  },
  ...spans,
  SIGN_UPS_PER_HOUR: {
    kind: 'count',
    least: 1,
    most: 1_000_000,
    default: '30',
    reason:
      'Sign-ups one network address may make in an hour, against list bombing; ten times as many from the range around it (/24, /48).',
  },
  SIGN_UPS_PER_NEWSROOM: {
    kind: 'count',
    least: 10,
    most: 10_000_000,
    default: '2000',
    reason: 'Sign-ups for one newsroom in an hour, at the most. Beyond a tenth of it a proof of work is asked for.',
  },
  SIGN_UPS_ALTOGETHER: {
    kind: 'count',
    least: 10,
    most: 10_000_000,
    default: '10000',
    reason: 'Sign-ups for all newsrooms in an hour, at the most. Beyond a tenth of it a proof of work is asked for.',
  },
} as const satisfies Record<string, SettingRow>

export type SettingName = keyof typeof settingTable
