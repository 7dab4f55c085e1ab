import { ChevronRight } from "lucide-react";
import { type ReactNode, useEffect, useMemo, useRef, useState } from "react";
import type { SetUrlState } from "@/lib/url";
import { cx } from "@/ui/cx";
import { SearchInput } from "@/ui/SearchInput";
import type { MetricStore } from "./columns";
import { type Look, MetricChart } from "./MetricChart";
import type { ChartSpec } from "./section";
import type { VIEW } from "./view";

/** The keys whose name has all the words. */
export function matching(keys: readonly string[], find: string): string[] {
  const words = find.toLowerCase().split(/\s+/).filter(Boolean);
  return keys.filter((key) => words.every((word) => key.toLowerCase().includes(word)));
}

export const single = (key: string, color: string): ChartSpec => ({
  id: `metric:${key}`,
  title: key,
  lines: [{ key, label: "value", color }],
});

interface AllMetricsProps {
  store: MetricStore;
  keys: readonly string[];
  color: string;
  look: Look;
  open: boolean;
  find: string;
  setView: SetUrlState<typeof VIEW>;
  onExpand: (id: string) => void;
}

/** Everything that the run reports, loss included: one panel a metric. */
export function AllMetrics({ store, keys, color, look, open, find, setView, onExpand }: AllMetricsProps) {
  const found = useMemo(() => matching(keys, find).map((key) => single(key, color)), [keys, find, color]);
  return (
    <section aria-labelledby="all-metrics" className="min-w-0 rounded-lg border border-line bg-surface shadow-card">
      <header className="flex min-h-11 flex-wrap items-center gap-2 px-3 py-1.5">
        <h2 id="all-metrics" className="font-semibold text-sm">
          <button
            type="button"
            aria-expanded={open}
            onClick={() => setView({ all: !open })}
            className="flex h-7 items-center gap-1.5 rounded-md"
          >
            <ChevronRight aria-hidden className={cx("size-4 text-ink-3 transition-transform", open && "rotate-90")} />
            All metrics
            <span className="font-normal text-ink-3 text-xs tabular-nums">{keys.length}</span>
          </button>
        </h2>
        <span className="flex-1" />
        {open && (
          <SearchInput label="Find a metric" small className="w-52" value={find} onChange={(text) => setView({ find: text })} />
        )}
      </header>
      {open && (
        <div className="grid gap-x-5 gap-y-3 border-line border-t p-3 sm:grid-cols-2 lg:grid-cols-3 2xl:grid-cols-4">
          {found.map((spec) => (
            <WhenSeen key={spec.id} className="h-40">
              <MetricChart store={store} spec={spec} look={look} height={112} onExpand={onExpand} />
            </WhenSeen>
          ))}
          {found.length === 0 && <p className="py-4 text-ink-3 text-sm">No metric is called that.</p>}
        </div>
      )}
    </section>
  );
}

/** Room for what is only made once it comes near the screen. */
export function WhenSeen({ children, className }: { children: ReactNode; className: string }) {
  const room = useRef<HTMLDivElement>(null);
  const [seen, setSeen] = useState(false);
  useEffect(() => {
    if (!room.current || seen) return;
    const sight = new IntersectionObserver((entries) => entries.some((one) => one.isIntersecting) && setSeen(true), {
      rootMargin: "200px",
    });
    sight.observe(room.current);
    return () => sight.disconnect();
  }, [seen]);
  return (
    <div ref={room} className={className}>
      {seen && children}
    </div>
  );
}
