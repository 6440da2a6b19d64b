import type { Terminal } from './terminal.ts'

/** One line on standard error, redrawn in place while somebody watches, and nothing at all when nobody does. */
export function drawProgress(terminal: Terminal): { show: (text: string) => void; clear: () => void } {
  if (!terminal.watched) return { show() {}, clear() {} }
  const wipe = '\r\u001b[2K'
  return {
    show: (text) => terminal.err(`${wipe}${terminal.paint.dim(text.slice(0, terminal.columns - 1))}`),
    clear: () => terminal.err(wipe),
  }
}
