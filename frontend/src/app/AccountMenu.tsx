import { useNavigate } from "@tanstack/react-router";
import { BookOpen, Check, ChevronsUpDown, KeyRound, Monitor, Moon, SquareTerminal, Sun } from "lucide-react";
import { useQuery } from "urql";
import { graphql } from "@/lib/graphql";
import { setTheme, type Theme, useTheme } from "@/lib/theme";
import { Button } from "@/ui/Button";
import { Menu } from "@/ui/Menu";

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

const THEMES: readonly { id: Theme; label: string; icon: typeof Sun }[] = [
  { id: "light", label: "Light", icon: Sun },
  { id: "dark", label: "Dark", icon: Moon },
  { id: "system", label: "As the system", icon: Monitor },
];

/** Who is signed in, the theme, and where the interfaces are described. */
export function AccountMenu() {
  const [{ data }] = useQuery({ query: ViewerQuery });
  const navigate = useNavigate();
  const theme = useTheme();
  const open = (address: string) => window.open(address, "_blank", "noopener");
  return (
    <Menu
      align="start"
      trigger={
        <Button
          tone="ghost"
          size="sm"
          className="max-w-32 justify-start"
          aria-label={`Account ${data?.viewer.account.slug ?? ""}`}
        >
          <span className="truncate">{data?.viewer.account.slug ?? "…"}</span>
          <ChevronsUpDown aria-hidden className="size-3 shrink-0" />
        </Button>
      }
      items={[
        {
          label: "Keys and settings",
          icon: <KeyRound aria-hidden className="size-3.5" />,
          keys: "G S",
          onSelect: () => void navigate({ to: "/settings" }),
        },
        {
          label: "GraphQL explorer",
          icon: <SquareTerminal aria-hidden className="size-3.5" />,
          onSelect: () => open("/graphql"),
        },
        { label: "REST reference", icon: <BookOpen aria-hidden className="size-3.5" />, onSelect: () => open("/docs") },
        null,
        ...THEMES.map(({ id, label, icon: Icon }) => ({
          label,
          icon: theme === id ? <Check aria-hidden className="size-3.5" /> : <Icon aria-hidden className="size-3.5" />,
          onSelect: () => setTheme(id),
        })),
      ]}
    />
  );
}
