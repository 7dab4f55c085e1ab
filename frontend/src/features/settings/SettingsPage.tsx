import { useTitle } from "@/lib/page";
import { Page } from "@/ui/Panel";

export default function SettingsPage() {
  useTitle("Settings");
  return <Page title="Settings">{null}</Page>;
}
