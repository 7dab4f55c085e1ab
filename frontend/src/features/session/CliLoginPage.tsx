import { useTitle } from "@/lib/page";
import { Page } from "@/ui/Panel";

export default function CliLoginPage() {
  useTitle("Command line");
  return <Page title="Command line">{null}</Page>;
}
