import { useTitle } from "@/lib/page";
import { useShortcuts } from "@/lib/shortcuts";
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
import { settingsSnippets } from "./snippets";

const TABS = [
  { id: "account", label: "Account", screen: Account },
  { id: "keys", label: "API keys", screen: Keys },
  { id: "sessions", label: "Browsers", screen: Sessions },
  { id: "ssh", label: "SSH keys", screen: SshKeys },
  { id: "integrations", label: "Integrations", screen: Integrations },
  { id: "audit", label: "Audit log", screen: Audit },
  { id: "appearance", label: "Appearance", screen: Appearance },
] as const;
const IDS = TABS.map((tab) => tab.id);
const URL = { tab: choice(IDS, "account") };

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
    <Page title="Settings" actions={<CopyAs title="The same from a program" snippets={() => settingsSnippets(url.tab)} />}>
      <Tabs label="Settings" tabs={TABS} value={url.tab} onChange={(tab) => setUrl({ tab }, { push: true })}>
        <Screen />
      </Tabs>
    </Page>
  );
}
