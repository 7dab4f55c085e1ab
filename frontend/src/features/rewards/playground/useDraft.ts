import { useCallback, useEffect, useRef, useState } from "react";
import { useQuery } from "urql";
import { sentence } from "@/lib/errors";
import { takeOver } from "@/lib/handover";
import { RewardQuery } from "../documents";
import { type Draft, keep, kept, ofStored, ofTemplate } from "./draft";
import { fromHanded, fromJsonl, type Sample } from "./samples";
import { TEMPLATES, templateOf } from "./templates";

const KEEP_MS = 400;

/** Samples for a function that nobody has samples for yet. */
function usual(): Sample[] {
  return fromJsonl(TEMPLATES[1]?.samples ?? "").samples;
}

interface Loaded {
  draft: Draft | null;
  change: (change: Partial<Draft>) => void;
  error: string | null;
}

/** What is written in the playground: a stored function, a template, or what this browser kept of the last time. */
export function useDraft(id: string, template: string): Loaded {
  const [draft, setDraft] = useState<Draft | null>(null);
  const [{ data, error, fetching }] = useQuery({
    query: RewardQuery,
    variables: { id },
    pause: !id,
    requestPolicy: "cache-first",
  });
  const stored = data?.rewardFunction?.id === id ? data.rewardFunction : null;
  const latest = useRef(draft);
  latest.current = draft;
  // Taken once, and held until the function that they are for is there.
  const handed = useRef<Sample[] | null>(null);

  const begin = useCallback((): Draft | null => {
    handed.current ??= takeOver()?.map(fromHanded) ?? null;
    const last = kept(id || template || null);
    const chosen = templateOf(template) ?? TEMPLATES[0];
    const begun = id
      ? stored && (last ?? ofStored(stored, kept(null)?.samples ?? usual()))
      : (last ?? (chosen ? ofTemplate(chosen) : null));
    if (!begun) return null;
    const samples = handed.current ?? begun.samples;
    handed.current = null;
    return { ...begun, samples };
  }, [id, template, stored]);

  useEffect(() => {
    const base = id || template;
    if (latest.current && (!base || latest.current.base === base)) return;
    if (latest.current) keep(latest.current);
    setDraft(begin());
  }, [id, template, begin]);

  useEffect(() => {
    if (!draft) return;
    const timer = setTimeout(() => keep(draft), KEEP_MS);
    return () => clearTimeout(timer);
  }, [draft]);
  // What was typed last, where the tab is closed or the page left before the timer.
  useEffect(() => {
    const now = () => latest.current && keep(latest.current);
    window.addEventListener("pagehide", now);
    return () => {
      window.removeEventListener("pagehide", now);
      now();
    };
  }, []);

  const change = useCallback((part: Partial<Draft>) => setDraft((was) => (was ? { ...was, ...part } : was)), []);
  const missing = id && !fetching && data && !stored ? `There is no reward function ${id} in this account.` : null;
  return { draft, change, error: error ? sentence(error) : missing };
}
