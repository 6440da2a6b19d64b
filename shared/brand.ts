declare const brand: unique symbol

/** Gives a plain value a name of its own, so that a `ReleaseId` cannot pass for a `MailingId`. */
export type Brand<Value, Name extends string> = Value & { readonly [brand]: Name }
