import { useTitle } from "@/lib/page";
import { Page } from "@/ui/Panel";

export default function DeploymentsPage() {
  useTitle("Deployments");
  return <Page title="Deployments">{null}</Page>;
}
