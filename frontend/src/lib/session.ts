/** Where the API is, and what to do when it no longer knows who asks. */

export const GRAPHQL_URL = "/graphql";

type Listener = () => void;
const listeners = new Set<Listener>();

/** Called when an answer said that nobody is signed in. */
export function onSignedOut(listener: Listener): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export function signedOut(): void {
  for (const listener of listeners) listener();
}
