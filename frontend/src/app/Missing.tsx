import { Link } from "@tanstack/react-router";
import { useTitle } from "@/lib/page";
import { buttonClass } from "@/ui/Button";
import { Empty } from "@/ui/Empty";

export function Missing() {
  useTitle("Not found");
  return (
    <main className="mx-auto max-w-xl pt-24">
      <h1 className="sr-only">Not found</h1>
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
    </main>
  );
}
