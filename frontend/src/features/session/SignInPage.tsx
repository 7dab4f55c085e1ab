import { useTitle } from "@/lib/page";
import { Page } from "@/ui/Panel";

export default function SignInPage() {
  useTitle("Sign in");
  return <Page title="Sign in">{null}</Page>;
}
