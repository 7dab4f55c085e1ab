import { useTitle } from "@/lib/page";
import { Page } from "@/ui/Panel";

export default function RewardsPage() {
  useTitle("Rewards");
  return <Page title="Rewards">{null}</Page>;
}
