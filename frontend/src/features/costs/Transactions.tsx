import { Link } from "@tanstack/react-router";
import { ArrowDown, Download, ReceiptText } from "lucide-react";
import { useEffect, useState } from "react";
import { useClient } from "urql";
import { csv, save } from "@/lib/csv";
import { sentence } from "@/lib/errors";
import { count, dateTime } from "@/lib/format";
import type { ResultOf } from "@/lib/graphql";
import { addressOf } from "@/lib/ids";
import { exactUsd, micros } from "@/lib/money";
import { Button } from "@/ui/Button";
import { cx } from "@/ui/cx";
import { Empty, ErrorNote } from "@/ui/Empty";
import { Panel } from "@/ui/Panel";
import { type Column, Table } from "@/ui/Table";
import { toast } from "@/ui/Toast";
import { TransactionsQuery } from "./queries";

type Transaction = ResultOf<typeof TransactionsQuery>["transactions"]["nodes"][number];
const PAGE = 50;
const EXPORT_PAGE = 100;

/** Everything that changed the balance, the newest first. */
export function Transactions({ names }: { names: ReadonlyMap<string, string> }) {
  const client = useClient();
  const [rows, setRows] = useState<Transaction[]>();
  const [next, setNext] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<string>();
  const [saving, setSaving] = useState<number | null>(null);

  const ask = (first: number, after: string | null) =>
    client.query(TransactionsQuery, { first, after }, { requestPolicy: "network-only" }).toPromise();
  const more = async (after: string | null) => {
    setBusy(true);
    setError(undefined);
    const answer = await ask(PAGE, after);
    setBusy(false);
    if (answer.error || !answer.data) return setError(answer.error ? sentence(answer.error) : "No answer came.");
    const { nodes, pageInfo } = answer.data.transactions;
    setRows((was) => [...(after ? (was ?? []) : []), ...nodes]);
    setNext(pageInfo.hasNextPage ? (pageInfo.endCursor ?? null) : null);
  };
  // biome-ignore lint/correctness/useExhaustiveDependencies: the first page, once
  useEffect(() => void more(null), []);

  const download = async () => {
    const all: Transaction[] = [];
    let after: string | null = null;
    setSaving(0);
    do {
      const answer: Awaited<ReturnType<typeof ask>> = await ask(EXPORT_PAGE, after);
      if (answer.error || !answer.data) {
        setSaving(null);
        return toast(answer.error ? sentence(answer.error) : "No answer came.", { mood: "bad" });
      }
      const { nodes, pageInfo } = answer.data.transactions;
      all.push(...nodes);
      setSaving(all.length);
      after = pageInfo.hasNextPage ? (pageInfo.endCursor ?? null) : null;
    } while (after);
    setSaving(null);
    const lines = all.map((one) => [one.createdAt, one.amount.amount, one.description, one.resourceId, one.id]);
    save("burnish-transactions.csv", csv([["at", "amount_usd", "description", "resource_id", "id"], ...lines]));
  };

  return (
    <Panel
      title="Transactions"
      flush
      actions={
        <Button
          size="sm"
          busy={saving !== null}
          disabled={!rows?.length}
          icon={<Download aria-hidden className="size-3.5" />}
          onClick={() => void download()}
        >
          {saving === null ? "Download CSV" : `${count(saving)} read`}
        </Button>
      }
    >
      {error && (
        <ErrorNote className="m-3" onRetry={() => void more(next)}>
          {error}
        </ErrorNote>
      )}
      {(rows || !error) && (
        <Table
          label="Transactions"
          columns={columns(names)}
          rows={rows}
          rowKey={(row) => row.id}
          expectedRows={10}
          empty={
            <Empty icon={<ReceiptText aria-hidden />} title="No transaction yet">
              Credit that is added and work that is billed are listed here, each with its exact amount.
            </Empty>
          }
        />
      )}
      {next && (
        <div className="flex justify-center border-line border-t p-2">
          <Button
            size="sm"
            tone="ghost"
            busy={busy}
            icon={<ArrowDown aria-hidden className="size-3.5" />}
            onClick={() => void more(next)}
          >
            Older
          </Button>
        </div>
      )}
    </Panel>
  );
}

const columns = (names: ReadonlyMap<string, string>): Column<Transaction>[] => [
  {
    id: "at",
    header: "When",
    width: "12rem",
    cell: ({ createdAt }) => (
      <time dateTime={createdAt} className="text-ink-2">
        {dateTime(createdAt)}
      </time>
    ),
  },
  {
    id: "what",
    header: "What",
    cell: ({ description, resourceId }) => {
      const to = resourceId && names.has(resourceId) ? addressOf(resourceId) : null;
      return to && resourceId ? (
        <>
          {description.replace(resourceId, "").trim()}{" "}
          <Link to={to} className="font-medium hover:underline">
            {names.get(resourceId)}
          </Link>
        </>
      ) : (
        description
      );
    },
  },
  {
    id: "amount",
    header: "Amount",
    numeric: true,
    cell: ({ amount }) => (
      <span className={cx(micros(amount.amount) > 0n && "text-good")}>
        {micros(amount.amount) > 0n ? "+" : ""}
        {exactUsd(amount.amount)}
      </span>
    ),
  },
];
