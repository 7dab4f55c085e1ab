import { Link } from "@tanstack/react-router";
import { Plus, Search, X } from "lucide-react";
import { buttonClass, IconButton } from "@/ui/Button";
import { cx } from "@/ui/cx";
import { Kbd } from "@/ui/Kbd";
import { AccountMenu } from "./AccountMenu";
import { Connection } from "./Connection";
import { PLACES } from "./places";

const ITEM =
  "flex h-8 items-center gap-2.5 rounded-md px-2 font-medium text-ink-2 text-sm transition-colors hover:bg-hover hover:text-ink";

export function Sidebar({ open, onClose, onSearch }: { open: boolean; onClose: () => void; onSearch: () => void }) {
  return (
    <>
      {open && <div aria-hidden className="fixed inset-0 z-30 bg-veil md:hidden" onClick={onClose} />}
      <div
        className={cx(
          "flex w-56 shrink-0 flex-col border-line border-r bg-surface max-md:fixed max-md:inset-y-0 max-md:left-0 max-md:z-40 max-md:shadow-over",
          !open && "max-md:hidden",
        )}
      >
        <div className="flex h-12 items-center gap-2 px-3">
          <img src="/icon.svg" alt="" width={20} height={20} />
          <span className="font-semibold text-base tracking-tight">Burnish</span>
          <span className="flex-1" />
          <IconButton label="Close the menu" className="md:hidden" onClick={onClose}>
            <X aria-hidden className="size-4" />
          </IconButton>
        </div>
        <div className="flex flex-col gap-1.5 px-2 pb-2">
          <button
            type="button"
            onClick={onSearch}
            className="flex h-8 items-center gap-2 rounded-md border border-line bg-canvas px-2 text-ink-3 text-sm hover:bg-hover"
          >
            <Search aria-hidden className="size-3.5" />
            <span className="flex-1 text-left">Search or do…</span>
            <Kbd keys="Mod+k" />
          </button>
          <Link to="/jobs/new" className={buttonClass("solid", "md")}>
            <Plus aria-hidden className="size-3.5" />
            New job
          </Link>
        </div>
        <nav aria-label="Places" className="flex flex-1 flex-col gap-px overflow-y-auto px-2">
          {PLACES.map(({ to, label, icon: Icon }) => (
            <Link
              key={to}
              to={to}
              activeOptions={{ exact: to === "/", includeSearch: false }}
              className={ITEM}
              activeProps={{ className: "bg-hover !text-ink", "aria-current": "page" }}
            >
              <Icon aria-hidden className="size-4" />
              {label}
            </Link>
          ))}
        </nav>
        <div className="flex items-center justify-between gap-2 border-line border-t px-2 py-2">
          <AccountMenu />
          <Connection />
        </div>
      </div>
    </>
  );
}
