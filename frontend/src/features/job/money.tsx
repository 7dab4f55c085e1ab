/** What a job costs while it runs: what was posted, and what has run up since. */
import { useQuery } from "urql";
import { usd } from "@/lib/format";
import { OfferQuery } from "@/lib/offers";
import { useNow } from "@/ui/Time";
import { hasEnded, type Job, type JobEvent } from "./queries";

const MS_PER_HOUR = 3_600_000;

/** The price of an hour of what it runs on, or of what was asked for until it is placed. */
export function useHourly(job: Job): number | undefined {
  const { type, count, provider } = job.hardware ?? job.hardwareRequested;
  const [{ data }] = useQuery({ query: OfferQuery, variables: { type, count }, requestPolicy: "cache-first" });
  const offers = data?.hardwareOffers ?? [];
  const offer = offers.find((one) => one.hardware.provider === provider) ?? offers[0];
  return offer ? Number(offer.pricePerHour.amount) : undefined;
}

/** From when on nothing was posted yet: the last posting, or the moment at which a host took it up. */
export function unpostedSince(postedAt: string | undefined, events: readonly JobEvent[]): string | undefined {
  const taken = events.findLast((event) => event.type === "submitted")?.at;
  if (!postedAt) return taken;
  return taken && taken > postedAt ? taken : postedAt;
}

/** What it has cost by now; exactly what was posted once it has ended. */
export function costNow(posted: number, hourly: number | undefined, since: string | undefined, now: Date): number {
  if (hourly === undefined || since === undefined) return posted;
  return posted + hourly * (Math.max(0, now.getTime() - new Date(since).getTime()) / MS_PER_HOUR);
}

export function LiveCost({ job, postedAt, events }: { job: Job; postedAt: string | undefined; events: readonly JobEvent[] }) {
  const billed = !hasEnded(job.status) && job.attempt > 0;
  const now = useNow(billed);
  const hourly = useHourly(job);
  const posted = Number(job.cost.total.amount);
  const shown = billed ? costNow(posted, hourly, unpostedSince(postedAt, events), now) : posted;
  return (
    <span
      className="tabular-nums"
      title={billed ? `${usd(posted)} posted so far; it is posted each minute, and counts on here` : undefined}
    >
      {usd(shown)}
    </span>
  );
}
