import { type MountOptions, parseMountOptions } from "../fuse/mount-options.ts";

/**
 * What `-o` and `--read-only` ask for together.
 * @throws invalid naming the option that is unknown or has a bad value
 */
export function mountOptions(wish: {
  /** Text of `-o`. */
  readonly text: string;
  readonly readOnly: boolean;
}): MountOptions {
  const options = parseMountOptions(wish.text);
  return { ...options, readOnly: options.readOnly || wish.readOnly };
}
