import { Check } from "lucide-react";
import { useQuery } from "urql";
import { showFirstSteps } from "@/lib/firstSteps";
import { setTheme, useTheme } from "@/lib/theme";
import { THEMES } from "@/lib/themes";
import { Button } from "@/ui/Button";
import { cx } from "@/ui/cx";
import { Panel } from "@/ui/Panel";
import { toast } from "@/ui/Toast";
import { AccountQuery } from "./queries";

/** How the dashboard looks in this browser. */
export function Appearance() {
  const theme = useTheme();
  const [{ data }] = useQuery({ query: AccountQuery, requestPolicy: "cache-first" });
  const account = data?.viewer.account.id;
  return (
    <div className="flex max-w-2xl flex-col gap-4">
      <Panel title="Theme">
        <div role="radiogroup" aria-label="Theme" className="grid grid-cols-3 gap-2">
          {THEMES.map(({ id, label, icon: Icon }) => (
            <label
              key={id}
              className={cx(
                "flex cursor-pointer flex-col items-start gap-3 rounded-md border p-3 text-sm has-focus-visible:outline-2 has-focus-visible:outline-accent",
                theme === id ? "border-accent bg-selected" : "border-line hover:bg-hover",
              )}
            >
              <input type="radio" name="theme" className="sr-only" checked={theme === id} onChange={() => setTheme(id)} />
              <span className="flex w-full items-center justify-between">
                <Icon aria-hidden className="size-4" />
                {theme === id && <Check aria-hidden className="size-4 text-accent" />}
              </span>
              {label}
            </label>
          ))}
        </div>
        <p className="mt-2.5 text-ink-3 text-xs">Kept in this browser.</p>
      </Panel>
      <Panel title="Motion">
        <p className="text-ink-2 text-sm">
          Where your system asks for reduced motion, nothing moves here by itself. It asks for{" "}
          <strong className="font-semibold">
            {matchMedia("(prefers-reduced-motion: reduce)").matches ? "reduced motion" : "no such thing"}
          </strong>{" "}
          now.
        </p>
      </Panel>
      <Panel title="First steps">
        <div className="flex flex-wrap items-center justify-between gap-3 text-sm">
          <span className="text-ink-2">The list of first steps on Home, as long as one is left.</span>
          <Button
            disabled={!account}
            onClick={() => {
              if (account) showFirstSteps(account, true);
              toast("The first steps are on Home again.");
            }}
          >
            Show it again
          </Button>
        </div>
      </Panel>
    </div>
  );
}
