import { useTitle } from "@/lib/page";
import { Page } from "@/ui/Panel";

export default function DatasetsPage() {
  useTitle("Datasets");
  return <Page title="Datasets">{null}</Page>;
}
