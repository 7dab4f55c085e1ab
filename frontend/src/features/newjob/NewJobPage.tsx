import { useTitle } from "@/lib/page";
import { Page } from "@/ui/Panel";

export default function NewJobPage() {
  useTitle("New job");
  return <Page title="New job">{null}</Page>;
}
