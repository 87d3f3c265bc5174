/** What protects passwords, as a port: this layer does no cryptography itself. */
export interface PasswordPort {
  /** A one-way digest under a key that this process alone has, and only while it runs. */
  digest(text: string): string;
  /**
   * Whether `password` is the one that was hashed; takes as long for a wrong one.
   * @param hash in a form of `passwordHashes`, or what `digest` has made
   */
  matches(password: string, hash: string): Promise<boolean>;
}

/** Forms of hashes that are understood, by how they begin. */
export const passwordHashes = {
  bcrypt: /^\$2[aby]\$[0-9]{2}\$[./A-Za-z0-9]{53}$/,
  argon2: /^\$argon2(?:id|i|d)\$/,
  apr1: /^\$apr1\$([^$]{1,8})\$([./A-Za-z0-9]{22})$/,
  sha1: /^\{SHA\}([A-Za-z0-9+/]{27}=)$/,
} as const;
