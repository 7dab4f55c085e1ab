import { Link } from "@tanstack/react-router";
import { useTitle } from "@/lib/page";
import { buttonClass } from "@/ui/Button";
import { Empty } from "@/ui/Empty";
import { Page } from "@/ui/Panel";

export function Missing() {
  useTitle("Not found");
  return (
    <Page title="Not found">
      <Empty
        title="There is nothing at this address"
        action={
          <Link to="/" className={buttonClass("solid")}>
            Go home
          </Link>
        }
      >
        It may have been deleted, or belongs to another account.
      </Empty>
    </Page>
  );
}
