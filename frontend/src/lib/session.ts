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

/** Where to go once signed in: a place of this dashboard, whatever an address from elsewhere asks for. */
export function placeToReturn(to: unknown, origin: string = location.origin): string {
  if (typeof to !== "string" || !to.startsWith("/")) return "/";
  try {
    const url = new URL(to, origin);
    if (url.origin !== origin || url.pathname === "/sign-in") return "/";
    // `/..//host` is a path here and another host as soon as it stands alone.
    if (url.pathname.startsWith("//")) return "/";
    return url.pathname + url.search + url.hash;
  } catch {
    return "/";
  }
}
