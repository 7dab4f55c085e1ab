import { useRef } from "react";

/** A key for one intended write: sent again with the retry, it keeps the write from happening twice. */
export function newKey(): string {
  // `crypto.randomUUID` is missing on pages without TLS, which a server on one's own network may well be.
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** The key of a form: the same input, pressed twice or tried again, is one write; another input is another. */
export function useAttempt(): (input: unknown) => string {
  const attempt = useRef({ of: "", key: "" });
  return (input) => {
    const of = JSON.stringify(input);
    if (attempt.current.of !== of) attempt.current = { of, key: newKey() };
    return attempt.current.key;
  };
}
