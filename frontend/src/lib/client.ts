/** The one urql client: queries and mutations over HTTP with the session cookie. What is live goes through `lib/live`. */
import { Client, type CombinedError, cacheExchange, fetchExchange, mapExchange } from "@urql/core";
import { GRAPHQL_URL, signedOut } from "./session";

export function isUnauthenticated(error: CombinedError): boolean {
  return error.response?.status === 401 || error.graphQLErrors.some((one) => one.extensions.code === "UNAUTHENTICATED");
}

export function createClient(): Client {
  return new Client({
    url: GRAPHQL_URL,
    preferGetMethod: false,
    // A list that was left is shown at once and read again.
    requestPolicy: "cache-and-network",
    fetchOptions: { credentials: "same-origin" },
    exchanges: [
      cacheExchange,
      mapExchange({
        onError(error) {
          if (isUnauthenticated(error)) signedOut();
        },
      }),
      fetchExchange,
    ],
  });
}
