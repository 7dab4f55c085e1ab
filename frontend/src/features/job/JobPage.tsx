import { useTitle } from "@/lib/page";
import { Page } from "@/ui/Panel";

export default function JobPage() {
  useTitle("Job");
  return <Page title="Job">{null}</Page>;
}
