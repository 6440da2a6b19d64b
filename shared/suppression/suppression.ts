/** Why an address gets no mail, whatever it subscribes to, in an operator's words. */
export const suppressionReasons = {
  bounced: 'A mail host refused the address for good. A new confirmation by its owner clears it.',
  complained: 'The reader reported a letter as spam. Only an operator clears it.',
  operator: 'An operator barred it. Only an operator clears it.',
  erased: 'The reader asked to be erased; the hash alone is kept, to block re-import.',
} as const
export type SuppressionReason = keyof typeof suppressionReasons
