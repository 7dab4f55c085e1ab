/** Styles that libraries add while the page runs carry the nonce that the policy of this answer allows. */
const nonce = document.querySelector<HTMLMetaElement>("meta[property=csp-nonce]")?.nonce;

declare global {
  // What `get-nonce`, on which radix-ui's dialogs rely, reads.
  var __webpack_nonce__: string | undefined;
}

if (nonce) globalThis.__webpack_nonce__ = nonce;

export { nonce };
