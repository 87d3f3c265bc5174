/** What is mostly at hand at once, and a Promise only where something must be waited for. */
export type MaybePromise<T> = T | Promise<T>;
