import { useTitle } from "@/lib/page";
import { Page } from "@/ui/Panel";

export default function DeploymentPage() {
  useTitle("Deployment");
  return <Page title="Deployment">{null}</Page>;
}
