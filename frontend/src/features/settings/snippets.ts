/** What each tab of the settings shows or makes, from a program. */
import { curl, operation, pythonCall, type Snippets } from "@/lib/snippets";

export type Subject = "account" | "keys" | "sessions" | "ssh" | "integrations" | "audit" | "appearance";

export function settingsSnippets(tab: Subject): Snippets {
  switch (tab) {
    case "keys":
      return {
        curl: curl("POST", "/v1/api_keys", { name: "ci", scopes: ["read", "write"] }),
        python: pythonCall("POST", "/v1/api_keys", { name: "ci", scopes: ["read", "write"] }),
        graphql: operation(
          "mutation CreateKey($input: ApiKeyInput!) {\n  createApiKey(input: $input) { secret apiKey { id } errors { message } }\n}",
          { input: { name: "ci", scopes: ["read", "write"] } },
        ),
        cli: "burnish keys create ci",
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
