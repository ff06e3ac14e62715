/** Thrown when a command cannot do what it was asked to; it says what to do instead. */
export class CommandError extends Error {
  override readonly name = "CommandError";
  readonly advice: string;

  constructor(message: string, advice: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.advice = advice;
  }
}
