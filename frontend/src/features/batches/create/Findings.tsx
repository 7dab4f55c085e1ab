import { useQuery } from "urql";
import { count, counted } from "@/lib/format";
import { ErrorNote, Note } from "@/ui/Empty";
import { Issues } from "@/ui/Issues";
import { Badge } from "@/ui/Status";
import { DeploymentsQuery } from "../documents";
import { type Endpoint, type Look, unknownModels } from "./check";

const SHOWN_MODELS = 12;

interface Props {
  look: Look;
  isWhole: boolean;
  endpoint: Endpoint;
}

/** What is in the file: how many lines, which models they name, and what is wrong with them. */
export function Findings({ look, isWhole, endpoint }: Props) {
  const { lines, models, issues, issueCount } = look;
  const [{ data }] = useQuery({ query: DeploymentsQuery });
  const named = [...models].sort((a, b) => b[1] - a[1]);
  const unknown = data ? unknownModels(models, data.deployments.nodes, data.viewer.account.slug) : [];
  const other = look.endpoint !== null && look.endpoint !== endpoint;
  return (
    <div className="flex flex-col gap-3" aria-live="polite">
      {issueCount === 0 && isWhole && (
        <Note mood="good">{lines === 1 ? "The one line is" : `All ${count(lines)} lines are`} well formed.</Note>
      )}
      {!isWhole && <p className="text-ink-3 text-xs tabular-nums">{counted(lines, "line")} so far…</p>}
      {named.length > 0 && (
        <p className="flex flex-wrap items-center gap-1.5 text-sm">
          <span className="text-ink-3 text-xs">{named.length === 1 ? "They ask" : `They ask ${named.length} models:`}</span>
          {named.slice(0, SHOWN_MODELS).map(([model, asked]) => (
            <Badge key={model} mood={unknown.includes(model) ? "warn" : "idle"} className="!whitespace-normal break-all">
              {model} <span className="tabular-nums">× {count(asked)}</span>
            </Badge>
          ))}
          {named.length > SHOWN_MODELS && <span className="text-ink-3 text-xs">and more</span>}
        </p>
      )}
      {unknown.length > 0 && (
        <Note mood="warn">
          No active deployment is called {unknown.slice(0, 3).join(", ")}
          {unknown.length > 3 ? ` and ${count(unknown.length - 3)} more` : ""}. The server takes no batch whose lines ask a model
          that is not there.
        </Note>
      )}
      {other && (
        <Note mood="warn">
          The lines ask {look.endpoint}; the batch is for {endpoint}.
        </Note>
      )}
      {issueCount > 0 && (
        <>
          <ErrorNote hint="A batch with one bad line is none: correct them, then choose the file again.">
            {counted(issueCount, "problem")}
            {isWhole ? "" : " so far"}
            {issueCount > issues.length ? `; the first ${issues.length}:` : ":"}
          </ErrorNote>
          <Issues issues={issues} />
        </>
      )}
    </div>
  );
}
