import type { ReactNode } from "react";

/** The one thing on a page without the frame. */
export function Card({
  title,
  lead,
  children,
  below,
}: {
  title: string;
  lead?: ReactNode;
  children: ReactNode;
  below?: ReactNode;
}) {
  return (
    <div className="flex min-h-dvh flex-col items-center px-4 pt-[12dvh] pb-10">
      <main className="w-full max-w-sm">
        <div className="mb-6 flex flex-col items-center gap-3 text-center">
          <img src="/icon.svg" alt="" width={40} height={40} />
          <h1 className="text-balance break-words font-semibold text-xl tracking-tight">{title}</h1>
          {lead && <p className="text-balance text-ink-2 text-sm">{lead}</p>}
        </div>
        <div className="rounded-lg border border-line bg-surface p-5 shadow-card">{children}</div>
        {below && <div className="mt-5 text-center text-ink-3 text-xs">{below}</div>}
      </main>
    </div>
  );
}
