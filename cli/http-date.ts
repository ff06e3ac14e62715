interface Stack {
  add(middleware: (next: (args: never) => Promise<unknown>) => never, options: { step: "deserialize" }): void;
}

/**
 * The answer to a command of an AWS SDK, with the time that the server's `Date` header gives: its clock, to the second.
 * @param send sends the command
 */
export async function withServerDate<T>(
  command: { readonly middlewareStack: unknown },
  send: () => Promise<T>,
): Promise<{ answer: T; date: Date | undefined }> {
  let header: string | undefined;
  const note = (next: (args: never) => Promise<unknown>) => async (args: never) => {
    const result = (await next(args)) as { response?: { headers?: Record<string, string> } };
    header = result.response?.headers?.date;
    return result;
  };
  (command.middlewareStack as Stack).add(note as never, { step: "deserialize" });
  return { answer: await send(), date: parseDate(header) };
}

/** A `Date` header, or undefined if it is missing or invalid. */
export function parseDate(header: string | undefined): Date | undefined {
  const time = Date.parse(header ?? "");
  return Number.isNaN(time) ? undefined : new Date(time);
}
