import { ChevronsUpDown } from "lucide-react";
import { type ComponentProps, lazy, Suspense, useEffect, useState } from "react";
import { useQuery } from "urql";
import { graphql } from "@/lib/graphql";
import { belongTo } from "@/lib/own";
import { Button } from "@/ui/Button";

const load = () => import("./AccountMenuOpen");
const AccountMenuOpen = lazy(load);

export const ViewerQuery = graphql(`
  query Viewer {
    viewer {
      account {
        id
        slug
        isOperator
      }
    }
  }
`);

/** Who is signed in. Its menu is loaded when a hand comes near. */
export function AccountMenu() {
  const [{ data }] = useQuery({ query: ViewerQuery });
  const account = data?.viewer.account.id;
  useEffect(() => {
    if (account) belongTo(account);
  }, [account]);
  const [wanted, setWanted] = useState(false);
  const name = data?.viewer.account.slug ?? "…";
  const button = <AccountButton name={name} onPointerEnter={() => void load()} onClick={() => setWanted(true)} />;
  if (!wanted) return button;
  return (
    <Suspense fallback={button}>
      <AccountMenuOpen name={name} />
    </Suspense>
  );
}

export function AccountButton({ name, ...rest }: { name: string } & ComponentProps<typeof Button>) {
  return (
    <Button
      tone="ghost"
      size="sm"
      className="min-w-0 flex-1 justify-start"
      aria-haspopup="menu"
      aria-label={`Account ${name}`}
      {...rest}
    >
      <span
        aria-hidden
        data-letter={name.charAt(0)}
        className="flex size-4 shrink-0 items-center justify-center rounded-sm bg-accent-soft font-semibold text-2xs text-accent uppercase before:content-[attr(data-letter)]"
      />
      <span className="flex-1 truncate text-left">{name}</span>
      <ChevronsUpDown aria-hidden className="size-3 shrink-0" />
    </Button>
  );
}
