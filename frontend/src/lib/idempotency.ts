/** A key for one intended write: sent again with the retry, it keeps the write from happening twice. */
export function newKey(): string {
  // `crypto.randomUUID` is missing on pages without TLS, which a server on one's own network may well be.
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
