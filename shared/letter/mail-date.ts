/** RFC 5322 3.3, in UTC with a numeric zone: the value of a letter's `date` slot. */
export function mailDate(at: Date): string {
  // `toUTCString` is “Tue, 03 Nov 2026 09:05:00 GMT”; GMT by name is the obsolete form.
  return at.toUTCString().replace('GMT', '+0000')
}
