import { useTitle } from "@/lib/page";
import { Page } from "@/ui/Panel";

export default function HomePage() {
  useTitle("Home");
  return <Page title="Home">{null}</Page>;
}
