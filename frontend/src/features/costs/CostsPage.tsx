import { useTitle } from "@/lib/page";
import { Page } from "@/ui/Panel";

export default function CostsPage() {
  useTitle("Costs");
  return <Page title="Costs">{null}</Page>;
}
