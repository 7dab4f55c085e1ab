import { useTitle } from "@/lib/page";
import { Page } from "@/ui/Panel";

export default function RewardPage() {
  useTitle("Reward");
  return <Page title="Reward">{null}</Page>;
}
