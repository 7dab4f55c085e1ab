import { useTitle } from "@/lib/page";
import { Page } from "@/ui/Panel";

export default function PlaygroundPage() {
  useTitle("Reward playground");
  return <Page title="Reward playground">{null}</Page>;
}
