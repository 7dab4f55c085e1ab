import { useTitle } from "@/lib/page";
import { Page } from "@/ui/Panel";

export default function JobsPage() {
  useTitle("Jobs");
  return <Page title="Jobs">{null}</Page>;
}
