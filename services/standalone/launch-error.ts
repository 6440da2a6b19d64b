/** Something the person at the terminal can put right: its message is one plain sentence for them, without a stack. */
export class LaunchError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'LaunchError'
  }
}
