/** How far something is that takes long. */
export interface Progress {
  readonly doneBytes: number;
  readonly totalBytes: number;
}
