import { Outlet, useNavigate, useRouterState } from "@tanstack/react-router";
import { Menu as MenuIcon } from "lucide-react";
import { lazy, Suspense, useEffect, useState } from "react";
import { onSignedOut } from "@/lib/session";
import { useShortcuts } from "@/lib/shortcuts";
import { IconButton } from "@/ui/Button";
import { Connection } from "./Connection";
import { PLACES } from "./places";
import { Sidebar } from "./Sidebar";

const Palette = lazy(() => import("./Palette"));
const KeyList = lazy(() => import("./KeyList"));

/** The frame round every screen: sidebar, palette, keys. */
export function Frame() {
  const navigate = useNavigate();
  const path = useRouterState({ select: (state) => state.location.pathname });
  const [open, setOpen] = useState<"palette" | "keys" | null>(null);
  const [menu, setMenu] = useState(false);

  useEffect(
    () =>
      onSignedOut(() => {
        void navigate({ to: "/sign-in", search: { to: location.pathname + location.search } });
      }),
    [navigate],
  );
  // biome-ignore lint/correctness/useExhaustiveDependencies: a new place closes the menu
  useEffect(() => setMenu(false), [path]);
  useShortcuts([
    { keys: "Mod+k", label: "Search and do anything", group: "Everywhere", run: () => setOpen("palette") },
    { keys: "?", label: "Show the keys", group: "Everywhere", run: () => setOpen("keys") },
    ...PLACES.map(({ to, label, key }) => ({ keys: `g ${key}`, label, group: "Go to", run: () => void navigate({ to }) })),
    { keys: "n", label: "New training job", group: "Everywhere", run: () => void navigate({ to: "/jobs/new" }) },
  ]);

  return (
    <div className="flex h-dvh">
      <a
        href="#content"
        className="sr-only focus:not-sr-only focus:absolute focus:top-2 focus:left-2 focus:z-50 focus:rounded-md focus:bg-solid focus:px-3 focus:py-2 focus:text-solid-ink"
      >
        Skip to the content
      </a>
      <Sidebar open={menu} onClose={() => setMenu(false)} onSearch={() => setOpen("palette")} />
      <div className="flex min-w-0 flex-1 flex-col">
        <div className="flex h-11 items-center gap-2 border-line border-b bg-surface px-2 md:hidden">
          <IconButton label="Menu" aria-expanded={menu} onClick={() => setMenu(true)}>
            <MenuIcon aria-hidden className="size-4" />
          </IconButton>
          <span className="font-semibold">Burnish</span>
          <span className="flex-1" />
          <Connection />
        </div>
        <main id="content" tabIndex={-1} className="min-h-0 flex-1 overflow-y-auto outline-none">
          <Suspense>
            <Outlet />
          </Suspense>
        </main>
      </div>
      <Suspense>
        {open === "palette" && <Palette onClose={() => setOpen(null)} />}
        {open === "keys" && <KeyList onClose={() => setOpen(null)} />}
      </Suspense>
    </div>
  );
}
