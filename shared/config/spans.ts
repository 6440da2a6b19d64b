/** How long what is kept, in days; docs/data-kept.md tells row by row. */
export const spans = {
  LAPSE_AFTER_DAYS: {
    kind: 'count',
    least: 3,
    most: 90,
    default: '7',
    reason:
      'Days after which a sign-up nobody has confirmed lapses, and its address is deleted; counted anew when its reader asks for another link.',
  },
  KEEP_DELIVERIES_DAYS: {
    kind: 'count',
    least: 7,
    most: 3_650,
    default: '90',
    reason:
      'Days after the end of a mailing in which it is known who got it and what mail hosts answered; the totals stay. A withdrawal reaches only those still known to have the release.',
  },
  KEEP_WEBHOOKS_DAYS: {
    kind: 'count',
    least: 7,
    most: 3_650,
    default: '30',
    reason: 'Days in which a webhook id that comes again gets the answer it got.',
  },
  KEEP_NOTICES_DAYS: {
    kind: 'count',
    least: 2,
    most: 3_650,
    default: '90',
    reason: 'Days in which it is known which confirmations and links were mailed to whom.',
  },
  KEEP_ORIGINS_DAYS: {
    kind: 'count',
    least: 1,
    most: 3_650,
    default: '365',
    reason: 'Days in which it can be shown that two acts of consent had one origin; by then nobody disputes a sign-up.',
  },
  KEEP_ADDRESSES_DAYS: {
    kind: 'count',
    least: 1,
    most: 3_650,
    default: '30',
    reason: 'Days in which the address of a reader who has left everything is kept, to answer them; its hash stays.',
  },
} as const
