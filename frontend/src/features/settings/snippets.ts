/** What each tab of the settings shows or makes, from a program. */
import { curl, operation, pythonCall, type Snippets } from "@/lib/snippets";

export type Subject = "account" | "keys" | "sessions" | "ssh" | "integrations" | "audit" | "appearance";

/** A key that an application calls deployments with. */
const OF_AN_APP = {
  name: "app",
  scopes: ["inference"],
  inference_requests_per_minute: 60,
  inference_tokens_per_minute: 50_000,
};

export function settingsSnippets(tab: Subject): Snippets {
  switch (tab) {
    case "keys":
      return {
        curl: curl("POST", "/v1/api_keys", OF_AN_APP),
        python: pythonCall("POST", "/v1/api_keys", OF_AN_APP),
        graphql: operation(
          "mutation CreateKey($input: ApiKeyInput!) {\n  createApiKey(input: $input) { secret apiKey { id } errors { message } }\n}",
          {
            input: { name: "app", scopes: ["inference"], inferenceRequestsPerMinute: 60, inferenceTokensPerMinute: 50_000 },
          },
        ),
        cli: "burnish keys create app --scope inference --requests-per-minute 60 --tokens-per-minute 50000",
      };
    case "sessions":
      return { graphql: operation("query {\n  sessions { nodes { id userAgent signedInWith lastUsedAt expiresAt } }\n}") };
    case "ssh":
      return { graphql: operation("query {\n  sshKeys { nodes { id name fingerprint } }\n}"), cli: "burnish ssh-keys list" };
    case "integrations":
      return {
        graphql: operation("query {\n  integrations { provider configured updatedAt }\n}"),
        cli: "burnish integrations list",
      };
    case "audit":
      return {
        graphql: operation("query {\n  auditLog(first: 50) { nodes { createdAt actorName action resourceId details } }\n}"),
        cli: "burnish audit",
      };
    default:
      return {
        curl: curl("GET", "/v1/me"),
        python: pythonCall("GET", "/v1/me"),
        graphql: operation("query {\n  viewer { account { id slug billingMode balance { amount } } apiKey { scopes } }\n}"),
      };
  }
}
