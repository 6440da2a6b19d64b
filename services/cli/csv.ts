/**
 * A line of CSV (RFC 4180). What a spreadsheet would take for a formula gets an apostrophe before it: an address may
 * begin with any of these signs, and whoever signs up chooses it.
 */
export const csvLine = (cells: readonly string[]): string => `${cells.map(csvCell).join(',')}\r\n`

function csvCell(text: string): string {
  const safe = /^[=+\-@\t\r\n]/.test(text) ? `'${text}` : text
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe
}
