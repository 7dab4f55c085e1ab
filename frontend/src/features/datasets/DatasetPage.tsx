import { useTitle } from "@/lib/page";
import { Page } from "@/ui/Panel";

export default function DatasetPage() {
  useTitle("Dataset");
  return <Page title="Dataset">{null}</Page>;
}
