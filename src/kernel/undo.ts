/** Takes back what one work did. */
export interface Undo {
  (): void
  /** When all of the list is done: lets go of what only the undo needs. */
  readonly settle?: () => void
}
