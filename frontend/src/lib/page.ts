import { useEffect } from "react";

/** Name the page in the tab and to screen readers. */
export function useTitle(title: string): void {
  useEffect(() => {
    document.title = title ? `${title} · Burnish` : "Burnish";
  }, [title]);
}
