/** Where the queue board lives; its pages need rules of their own for styles. */
export const boardPrefix = '/queues'
export const boardPath = /^\/queues(?:[/?]|$)/
/** What the board's page asks for by itself, every few seconds. */
export const boardApiPath = /^\/queues\/api\//
