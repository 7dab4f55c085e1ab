import { Link } from "@tanstack/react-router";
import { ScrollText } from "lucide-react";
import { dateTime, midnight } from "@/lib/format";
import type { Json, ResultOf } from "@/lib/graphql";
import { addressOf } from "@/lib/ids";
import { useTyped } from "@/lib/typed";
import { text, useUrlState } from "@/lib/url";
import { Button } from "@/ui/Button";
import { Empty } from "@/ui/Empty";
import { Field, Input } from "@/ui/Field";
import type { Column } from "@/ui/Table";
import { List } from "./List";
import { AuditQuery } from "./queries";
import { usePages } from "./usePages";

type Entry = ResultOf<typeof AuditQuery>["auditLog"]["nodes"][number];
const URL = { action: text(""), actor: text(""), resource: text(""), since: text(""), until: text("") };

/** Who changed what, the newest first. */
export function Audit() {
  const [url, setUrl] = useUrlState(URL);
  const filter = {
    action: url.action.trim() || null,
    actor: url.actor.trim() || null,
    resourceId: url.resource.trim() || null,
    createdAfter: midnight(url.since) ?? null,
    // Through the whole of the last day.
    createdBefore: (midnight(url.until) && midnight(url.until, 1)) ?? null,
  };
  const pages = usePages(AuditQuery, { filter }, (result) => result.auditLog);
  const filtered = Object.values(filter).some((one) => one !== null);
  const clear = () => setUrl({ action: "", actor: "", resource: "", since: "", until: "" });
  const field = (name: keyof typeof URL, label: string, placeholder: string, type = "search") => (
    <TypedField
      label={label}
      placeholder={placeholder}
      type={type}
      value={url[name]}
      onChange={(text) => setUrl({ [name]: text })}
    />
  );
  return (
    <div className="flex flex-col gap-4">
      <div className="grid grid-cols-2 gap-3 lg:grid-cols-5">
        {field("action", "Action", "jobs, or jobs.cancel")}
        {field("actor", "Who", "key_… or ses_…")}
        {field("resource", "What", "job_…")}
        {field("since", "From", "", "date")}
        {field("until", "Until", "", "date")}
      </div>
      <List
        title="Audit log"
        label="Audit log"
        actions={
          filtered && (
            <Button size="sm" tone="ghost" onClick={clear}>
              Clear the filter
            </Button>
          )
        }
        columns={COLUMNS}
        pages={pages}
        empty={
          <Empty icon={<ScrollText aria-hidden />} title={filtered ? "Nothing matches" : "Nothing was changed yet"}>
            Each change is kept here with who made it: the key, the browser or the operator.
          </Empty>
        }
      />
    </div>
  );
}

interface TypedFieldProps {
  label: string;
  placeholder: string;
  type: string;
  value: string;
  onChange: (text: string) => void;
}

function TypedField({ label, value, onChange, ...rest }: TypedFieldProps) {
  const { text, type, settle } = useTyped(value, onChange);
  return (
    <Field label={label}>
      {(ids) => (
        <Input
          {...ids}
          {...rest}
          value={text}
          onChange={(event) => type(event.target.value)}
          onKeyDown={(event) => event.key === "Enter" && settle()}
        />
      )}
    </Field>
  );
}

const written = (details: Json): string =>
  details !== null && typeof details === "object" && !Array.isArray(details)
    ? Object.entries(details)
        .map(([name, value]) => `${name}: ${typeof value === "string" ? value : JSON.stringify(value)}`)
        .join(", ")
    : "";

const COLUMNS: Column<Entry>[] = [
  { id: "at", header: "When", width: "11rem", cell: (one) => <time dateTime={one.createdAt}>{dateTime(one.createdAt)}</time> },
  { id: "who", header: "Who", cell: (one) => <span title={one.actor}>{one.actorName}</span> },
  { id: "action", header: "Did", cell: (one) => <code className="font-mono text-xs">{one.action}</code> },
  {
    id: "what",
    header: "To",
    from: "md",
    cell: ({ resourceId }) => {
      const to = resourceId && addressOf(resourceId);
      if (!resourceId) return <span className="text-ink-3">–</span>;
      return to ? (
        <Link to={to} className="font-mono text-xs hover:underline">
          {resourceId}
        </Link>
      ) : (
        <span className="font-mono text-xs">{resourceId}</span>
      );
    },
  },
  {
    id: "details",
    header: "Details",
    from: "lg",
    cell: (one) => (
      <span className="text-ink-2" title={`${written(one.details)}${one.requestId ? `\n${one.requestId}` : ""}`}>
        {written(one.details)}
      </span>
    ),
  },
];
