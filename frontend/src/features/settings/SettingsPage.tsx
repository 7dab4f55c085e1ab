import { useTitle } from "@/lib/page";
import { useShortcuts } from "@/lib/shortcuts";
import { curl, operation, pythonCall, type Snippets } from "@/lib/snippets";
import { choice, useUrlState } from "@/lib/url";
import { CopyAs } from "@/ui/CopyAs";
import { Page } from "@/ui/Panel";
import { Tabs } from "@/ui/Tabs";
import { Account } from "./Account";
import { Appearance } from "./Appearance";
import { Audit } from "./Audit";
import { Integrations } from "./Integrations";
import { Keys } from "./Keys";
import { Sessions } from "./Sessions";
import { SshKeys } from "./SshKeys";

const TABS = [
  { id: "account", label: "Account", screen: Account },
  { id: "keys", label: "API keys", screen: Keys },
  { id: "sessions", label: "Browsers", screen: Sessions },
  { id: "ssh", label: "SSH keys", screen: SshKeys },
  { id: "integrations", label: "Integrations", screen: Integrations },
  { id: "audit", label: "Audit log", screen: Audit },
  { id: "appearance", label: "Appearance", screen: Appearance },
] as const;
type Tab = (typeof TABS)[number]["id"];
const IDS = TABS.map((tab) => tab.id);
const URL = { tab: choice(IDS, "account") };

function snippets(tab: Tab): Snippets {
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

export default function SettingsPage() {
  useTitle("Settings");
  const [url, setUrl] = useUrlState(URL);
  useShortcuts(
    TABS.map(({ id, label }) => ({
      keys: "",
      label: `Settings: ${label}`,
      run: () => setUrl({ tab: id }, { push: true }),
    })),
  );
  const Screen = TABS.find((tab) => tab.id === url.tab)?.screen ?? Account;
  return (
    <Page title="Settings" actions={<CopyAs title="The same from a program" snippets={() => snippets(url.tab)} />}>
      <Tabs label="Settings" tabs={TABS} value={url.tab} onChange={(tab) => setUrl({ tab }, { push: true })}>
        <Screen />
      </Tabs>
    </Page>
  );
}
