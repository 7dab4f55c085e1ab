/** What went wrong, in the server's words. */
import type { CombinedError } from "@urql/core";

/** The part of `UserError` that every mutation asks for. */
export interface UserError {
  code: string;
  message: string;
  path: readonly string[];
  hint?: string | null;
}

/** Errors by the field of the form that they are about; `""` for those about none of them. */
export function byField(errors: readonly UserError[], fields: readonly string[]): Record<string, string> {
  const found: Record<string, string> = {};
  for (const error of errors) {
    const path = error.path.filter((part) => part !== "input").join(".");
    const field = fields.find((name) => path === name || path.startsWith(`${name}.`)) ?? "";
    found[field] = found[field] ? `${found[field]} ${error.message}` : error.message;
  }
  return found;
}

/** One sentence for a request that failed as a whole. */
export function sentence(error: CombinedError): string {
  if (error.networkError) return "The server cannot be reached. What you see may be old; this page goes on trying.";
  return error.graphQLErrors.map((one) => one.message).join(" ") || error.message;
}
