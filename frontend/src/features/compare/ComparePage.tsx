import { useTitle } from "@/lib/page";
import { Page } from "@/ui/Panel";

export default function ComparePage() {
  useTitle("Compare");
  return <Page title="Compare">{null}</Page>;
}
