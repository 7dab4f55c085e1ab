import { Link, useParams } from "@tanstack/react-router";
import { sentence } from "@/lib/errors";
import { useTitle } from "@/lib/page";
import { buttonClass } from "@/ui/Button";
import { Empty, ErrorNote, Note, Skeleton } from "@/ui/Empty";
import { Page } from "@/ui/Panel";
import { Status } from "@/ui/Status";
import { useNow } from "@/ui/Time";
import { Trail } from "@/ui/Trail";
import { BatchActions } from "./BatchActions";
import { BatchFacts } from "./BatchFacts";
import { Causes } from "./Causes";
import { Downloads } from "./Downloads";
import type { Batch } from "./documents";
import { hasEnded, lateLines, nameOf, standing } from "./figures";
import { Headway } from "./Headway";
import { Outcomes } from "./Outcomes";
import { Problems } from "./Problems";
import { Timeline } from "./Timeline";
import { useBatch } from "./useBatch";
import { useCauses } from "./useCauses";

export default function BatchPage() {
  const { id } = useParams({ strict: false }) as { id: string };
  const followed = useBatch(id);
  const { batch, detail, points, error, change, again } = followed;
  const causes = useCauses(id, batch);
  useTitle(batch ? `${nameOf(batch)} · batch` : "Batch");
  const above = (
    <Trail id={id}>
      <Link to="/batches">Batches</Link>
    </Trail>
  );
  if (batch === null) {
    return (
      <Page title="No such batch" above={above}>
        <Empty
          title="There is no batch with this id"
          action={
            <Link to="/batches" className={buttonClass()}>
              All batches
            </Link>
          }
        >
          It belongs to another account.
        </Empty>
      </Page>
    );
  }
  if (!batch) {
    return (
      <Page title={<Skeleton className="h-6 w-40" />} above={above}>
        {error ? (
          <ErrorNote onRetry={again}>{sentence(error)}</ErrorNote>
        ) : (
          <>
            <Skeleton className="h-44" />
            <Skeleton className="h-96" />
          </>
        )}
      </Page>
    );
  }
  const said = standing(batch);
  const problems = batch.status === "FAILED" ? (detail?.problems ?? []) : [];
  return (
    <Page
      title={nameOf(batch)}
      above={above}
      beside={
        <>
          <Status status={batch.status} />
          {said && <span className="text-ink-3 text-xs">{said}</span>}
        </>
      }
      actions={<BatchActions batch={batch} onChange={change} onDone={again} />}
    >
      {!hasEnded(batch.status) && <Late batch={batch} />}
      {batch.status === "FAILED" ? (
        <Problems problems={problems} count={batch.problemCount} url={batch.errorFileId ? detail?.errorsUrl : undefined} />
      ) : (
        <Headway batch={batch} points={points} />
      )}
      <div className="grid gap-4 lg:grid-cols-3">
        <Timeline batch={batch} />
        <BatchFacts batch={batch} retryOf={detail?.retryOf?.id ?? null} />
        <Downloads batch={batch} detail={detail} />
      </div>
      {batch.counts.failed > 0 && <Causes groups={causes.groups} names={causes.names} />}
      {batch.counts.total > 0 && <Outcomes batch={batch} groups={causes.groups} names={causes.names} />}
    </Page>
  );
}

/** That the time will not do, while something can still be done about it. */
function Late({ batch }: { batch: Batch }) {
  const late = lateLines(batch, useNow());
  if (late === 0) return null;
  return (
    <Note mood="warn">
      At this rate about {late.toLocaleString("en-US")} lines will not be answered before it expires. More replicas of their
      deployment make it faster.
    </Note>
  );
}
