import type { ErrorComponentProps } from "@tanstack/react-router";
import { CircleAlert, RefreshCw, RotateCw } from "lucide-react";
import { useEffect } from "react";
import { useTitle } from "@/lib/page";
import { isMissingFile, report } from "@/lib/report";
import { Button } from "@/ui/Button";
import { CodeBlock } from "@/ui/Copy";

/** In place of a screen that broke; the frame round it goes on working. */
export function ScreenError({ error, reset }: ErrorComponentProps) {
  const outdated = isMissingFile(error);
  const title = outdated ? (navigator.onLine ? "There is a newer dashboard" : "You are offline") : "This screen broke";
  useTitle(title);
  useEffect(() => {
    document.querySelector<HTMLElement>("#content h1")?.focus({ preventScroll: true });
  }, []);
  return (
    <div className="mx-auto flex w-full max-w-2xl flex-col gap-4 px-4 pt-[12dvh] pb-8">
      <CircleAlert aria-hidden className={outdated ? "size-7 text-warn" : "size-7 text-bad"} />
      <div className="flex flex-col gap-1">
        <h1 tabIndex={-1} className="font-semibold text-xl tracking-tight outline-none">
          {title}
        </h1>
        <p className="max-w-prose text-ink-2">
          {outdated
            ? navigator.onLine
              ? "Burnish was upgraded since this tab was opened, and a part of the old one is gone. Reload to go on; what you chose to see is in the address and stays."
              : "A part of the dashboard could not be fetched. Reload once the network is back; what you chose to see is in the address and stays."
            : "Nothing of yours is lost: jobs and deployments go on whatever happens here. Reload it, and if it comes back, report what is below."}
        </p>
      </div>
      <div className="flex flex-wrap gap-2">
        <Button tone="solid" icon={<RefreshCw aria-hidden className="size-3.5" />} onClick={() => location.reload()}>
          Reload
        </Button>
        {!outdated && (
          <Button icon={<RotateCw aria-hidden className="size-3.5" />} onClick={reset}>
            Try again
          </Button>
        )}
      </div>
      {!outdated && <CodeBlock label="the report" code={report(error, location.pathname, navigator.userAgent, new Date())} />}
    </div>
  );
}
