import { useNavigate } from "@tanstack/react-router";
import { BookOpen, Check, KeyRound, LogOut, SquareTerminal } from "lucide-react";
import { setTheme, useTheme } from "@/lib/theme";
import { THEMES } from "@/lib/themes";
import { useSignOut } from "@/lib/useSignOut";
import MenuOpen from "@/ui/MenuOpen";
import { AccountButton } from "./AccountMenu";

/** The account's menu: settings, where the interfaces are described, the theme, the way out. */
export default function AccountMenuOpen({ name }: { name: string }) {
  const navigate = useNavigate();
  const theme = useTheme();
  const signOut = useSignOut();
  const open = (address: string) => window.open(address, "_blank", "noopener");
  return (
    <MenuOpen
      align="start"
      defaultOpen
      trigger={<AccountButton name={name} />}
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
        null,
        { label: "Sign out", icon: <LogOut aria-hidden className="size-3.5" />, onSelect: () => void signOut() },
      ]}
    />
  );
}
