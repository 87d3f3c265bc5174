/** A check has found something; that is its result and no failure of ours. */
export class DamageFound extends Error {}
