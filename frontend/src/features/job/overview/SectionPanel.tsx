import { CircleCheck, OctagonAlert, TriangleAlert } from "lucide-react";
import { useMemo } from "react";
import { cx } from "@/ui/cx";
import { type Alarm, type Level, RULES, type Run, useLimits } from "./alarms";
import type { MetricStore } from "./columns";
import { type Look, MetricChart } from "./MetricChart";
import { chartsOf, missing, type Section, type Weights } from "./section";

const SHOWN: Record<Level, { icon: typeof CircleCheck; ink: string; word: string }> = {
  ok: { icon: CircleCheck, ink: "text-good", word: "Fine" },
  warn: { icon: TriangleAlert, ink: "text-warn", word: "Warning" },
  bad: { icon: OctagonAlert, ink: "text-bad", word: "Alarm" },
};

const GRID = ["", "", "md:grid-cols-2", "md:grid-cols-2 xl:grid-cols-3", "md:grid-cols-2 2xl:grid-cols-4"];

interface SectionPanelProps {
  section: Section;
  store: MetricStore;
  /** The metrics there are, joined: another text is another set of charts. */
  keys: string;
  color: string;
  weights: Weights;
  totalSteps: number | null;
  look: Look;
  onExpand: (id: string) => void;
}

/** One of the things that a practitioner looks at: how it stands, and its charts. */
export function SectionPanel({ section, store, keys, color, weights, totalSteps, look, onExpand }: SectionPanelProps) {
  const limits = useLimits();
  const known = useMemo(() => new Set(keys.split("\n")), [keys]);
  const charts = useMemo(() => chartsOf(section, known, color, weights), [section, known, color, weights]);
  const wanted = useMemo(() => (store.loaded ? missing(section, known) : []), [section, known, store.loaded]);
  const run: Run = {
    get: (key) => store.get(key),
    recent: (key, count) => store.recent(key, count),
    keys: store.keys,
    lastStep: store.lastStep,
    totalSteps,
    weights,
  };
  const alarms = store.loaded ? section.rules.flatMap((rule) => RULES[rule](run, limits) ?? []) : [];
  return (
    <section aria-labelledby={`section-${section.id}`} className="min-w-0 rounded-lg border border-line bg-surface shadow-card">
      <header className="flex min-h-11 flex-wrap items-center gap-x-3 gap-y-1 border-line border-b px-3 py-2">
        <h2 id={`section-${section.id}`} className="font-semibold text-sm">
          {section.title}
        </h2>
        <span className="text-ink-3 text-xs max-sm:hidden">{section.about}</span>
        <span className="flex-1" />
        {section.headlines.map(({ label, value }) => {
          const text = value(store);
          return text === null ? null : (
            <span key={label} className="whitespace-nowrap text-ink-3 text-xs">
              {label} <span className="inline-block min-w-14 text-right font-semibold text-ink tabular-nums">{text}</span>
            </span>
          );
        })}
      </header>
      {alarms.length > 0 && (
        <ul aria-label={`How ${section.title.toLowerCase()} stands`} className="flex flex-wrap gap-x-5 gap-y-1 px-3 pt-2">
          {alarms.map((alarm) => (
            <AlarmLine key={alarm.text} alarm={alarm} />
          ))}
        </ul>
      )}
      <div className={cx("grid gap-x-5 gap-y-3 p-3", GRID[Math.min(4, charts.length)])}>
        {charts.map((spec) => (
          <MetricChart key={spec.id} store={store} spec={spec} look={look} onExpand={onExpand} />
        ))}
        {charts.length === 0 && <p className="py-2 text-ink-3 text-sm">This run reports nothing of it yet.</p>}
      </div>
      {wanted.length > 0 && charts.length > 0 && (
        <p className="px-3 pb-2.5 text-ink-3 text-xs">Not reported by this run: {wanted.join("; ")}.</p>
      )}
    </section>
  );
}

function AlarmLine({ alarm }: { alarm: Alarm }) {
  const { icon: Icon, ink, word } = SHOWN[alarm.level];
  return (
    <li className={cx("flex items-start gap-1.5 text-xs", ink)}>
      <Icon aria-hidden className="mt-0.5 size-3.5 shrink-0" />
      <span>
        <span className={alarm.level === "ok" ? "sr-only" : "font-semibold"}>{word}: </span>
        {alarm.text}
      </span>
    </li>
  );
}
