import { Link } from "@tanstack/react-router";
import { Plus, Search, X } from "lucide-react";
import { buttonClass, IconButton } from "@/ui/Button";
import { cx } from "@/ui/cx";
import { Kbd } from "@/ui/Kbd";
import { AccountMenu } from "./AccountMenu";
import { Connection } from "./Connection";
import { PLACES } from "./places";

const ITEM =
  "group flex h-8 items-center gap-2.5 rounded-md px-2 font-medium text-ink-2 text-sm transition-colors hover:bg-hover hover:text-ink max-md:h-10";

export function Sidebar({ onSearch }: { onSearch: () => void }) {
  return (
    <aside aria-label="Sidebar" className="flex w-56 shrink-0 flex-col border-line border-r bg-surface max-md:hidden">
      <SidebarContent onSearch={onSearch} />
    </aside>
  );
}

/** What the sidebar holds; in the drawer, `onClose` closes it. */
export function SidebarContent({ onSearch, onClose }: { onSearch: () => void; onClose?: () => void }) {
  return (
    <>
      <div className="flex h-12 items-center gap-2 px-3">
        <Link to="/" aria-label="Burnish, home" className="flex items-center gap-2 rounded-md">
          <img src="/icon.svg" alt="" width={20} height={20} />
          <span className="font-semibold text-base tracking-tight">Burnish</span>
        </Link>
        <span className="flex-1" />
        {onClose && (
          <IconButton label="Close the menu" onClick={onClose}>
            <X aria-hidden className="size-4" />
          </IconButton>
        )}
      </div>
      <div className="flex flex-col gap-1.5 px-2 pb-3">
        <button
          type="button"
          onClick={onSearch}
          className="flex h-8 items-center gap-2 rounded-md border border-line bg-canvas px-2 text-ink-3 text-sm transition-colors hover:bg-hover"
        >
          <Search aria-hidden className="size-3.5" />
          <span className="flex-1 text-left">Search or do…</span>
          <Kbd keys="Mod+k" />
        </button>
        <Link to="/jobs/new" className={buttonClass("plain", "md")}>
          <Plus aria-hidden className="size-3.5" />
          New job
        </Link>
      </div>
      <nav aria-label="Places" className="flex flex-1 flex-col gap-px overflow-y-auto px-2">
        {PLACES.map(({ to, label, key, icon: Icon, section }) => (
          <div key={to} className={cx(section && "mt-3 border-line border-t pt-3")}>
            <Link
              to={to}
              title={`${label} (G then ${key.toUpperCase()})`}
              activeOptions={{ exact: to === "/", includeSearch: false }}
              className={ITEM}
              activeProps={{ className: "bg-hover !text-ink", "aria-current": "page" }}
            >
              <Icon aria-hidden className="size-4 text-ink-3 group-hover:text-ink-2 group-aria-[current=page]:text-accent" />
              {label}
            </Link>
          </div>
        ))}
      </nav>
      <div className="flex items-center justify-between gap-2 border-line border-t px-2 py-2">
        <AccountMenu />
        <Connection />
      </div>
    </>
  );
}
