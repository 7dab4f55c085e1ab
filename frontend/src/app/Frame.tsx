import { Outlet, useNavigate, useRouter, useRouterState } from "@tanstack/react-router";
import { Menu as MenuIcon, Search } from "lucide-react";
import { lazy, Suspense, useEffect, useState } from "react";
import { useShortcuts } from "@/lib/shortcuts";
import { useSignInWhenNeeded } from "@/lib/useSignInWhenNeeded";
import { IconButton } from "@/ui/Button";
import { Connection } from "./Connection";
import { Offline } from "./Offline";
import { PLACES } from "./places";
import { Sidebar } from "./Sidebar";

const Palette = lazy(() => import("./Palette"));
const KeyList = lazy(() => import("./KeyList"));
const MobileMenu = lazy(() => import("./MobileMenu"));

type Over = "palette" | "keys" | "menu" | null;

/** The frame round every screen: sidebar, palette, keys. */
export function Frame() {
  const navigate = useNavigate();
  const path = useRouterState({ select: (state) => state.location.pathname });
  const [over, setOver] = useState<Over>(null);
  const close = () => setOver(null);

  useFocusOnNavigation();
  useSignInWhenNeeded();
  // biome-ignore lint/correctness/useExhaustiveDependencies: a new place closes the menu
  useEffect(() => setOver((was) => (was === "menu" ? null : was)), [path]);
  useShortcuts([
    { keys: "Mod+k", label: "Search and do anything", group: "Everywhere", run: () => setOver("palette") },
    { keys: "/", label: "Search", group: "Everywhere", run: () => setOver("palette") },
    { keys: "?", label: "Show the keys", group: "Everywhere", run: () => setOver("keys") },
    ...PLACES.map(({ to, label, key }) => ({ keys: `g ${key}`, label, group: "Go to", run: () => void navigate({ to }) })),
    { keys: "", label: "New batch", group: "Everywhere", run: () => void navigate({ to: "/batches", search: { new: true } }) },
    { keys: "", label: "New eval", group: "Everywhere", run: () => void navigate({ to: "/evals", search: { new: true } }) },
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
      <Sidebar onSearch={() => setOver("palette")} />
      <div className="flex min-w-0 flex-1 flex-col">
        <header className="flex h-12 shrink-0 items-center gap-1 border-line border-b bg-surface px-2 md:hidden">
          <IconButton
            label="Menu"
            size="md"
            aria-haspopup="dialog"
            aria-expanded={over === "menu"}
            onClick={() => setOver("menu")}
          >
            <MenuIcon aria-hidden className="size-4" />
          </IconButton>
          <img src="/icon.svg" alt="" width={18} height={18} />
          <span className="ml-1 font-semibold">Burnish</span>
          <span className="flex-1" />
          <Connection />
          <IconButton label="Search or do…" size="md" onClick={() => setOver("palette")}>
            <Search aria-hidden className="size-4" />
          </IconButton>
        </header>
        <Offline />
        <main id="content" tabIndex={-1} className="min-h-0 flex-1 overflow-y-auto outline-none [scrollbar-gutter:stable]">
          <Suspense>
            <Outlet />
          </Suspense>
        </main>
      </div>
      <Suspense>
        {over === "palette" && <Palette onClose={close} />}
        {over === "keys" && <KeyList onClose={close} />}
        {over === "menu" && <MobileMenu onClose={close} onSearch={() => setOver("palette")} />}
      </Suspense>
    </div>
  );
}

/** A new screen begins at its heading, for those who hear it and those who walk by keys. */
function useFocusOnNavigation(): void {
  const router = useRouter();
  useEffect(
    () =>
      router.subscribe("onRendered", ({ pathChanged, fromLocation }) => {
        if (!pathChanged || !fromLocation) return;
        const content = document.getElementById("content");
        (content?.querySelector<HTMLElement>("h1") ?? content)?.focus({ preventScroll: true });
      }),
    [router],
  );
}
