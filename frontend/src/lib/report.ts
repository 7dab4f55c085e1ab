/** What broke, for a person to send on. */

const MISSING = [
  "Failed to fetch dynamically imported module",
  "error loading dynamically imported module",
  "Importing a module script failed",
  "Unable to preload CSS",
];

/** A part of the dashboard that could not be loaded: it was replaced by an upgrade, or there is no network. */
export class MissingFile extends Error {
  override name = "MissingFile";
}

export function isMissingFile(error: unknown): boolean {
  return error instanceof MissingFile || (error instanceof Error && MISSING.some((start) => error.message.startsWith(start)));
}

/** Load a part, and say `MissingFile` where it is not there. */
export function loaded<T>(load: () => Promise<T>): () => Promise<T> {
  return async () => {
    try {
      return await load();
    } catch (error) {
      throw isMissingFile(error) ? new MissingFile("A part of the dashboard could not be loaded.", { cause: error }) : error;
    }
  };
}

/** A report: without the address's search, which may hold what a person typed. */
export function report(error: unknown, path: string, browser: string, at: Date): string {
  const stack = error instanceof Error ? (error.stack ?? String(error)) : String(error);
  const lines = stack.includes(String(error)) ? [stack] : [String(error), stack];
  return [`at ${path}, ${at.toISOString()}`, browser, "", ...lines].join("\n");
}
