import { useEffect, useRef, useState } from "react";

const SAID_MS = 5000;

/** For those who hear the log: how many lines came, every few seconds at most. */
export function News({ arrived, following }: { arrived: number; following: boolean }) {
  const latest = useRef(arrived);
  latest.current = arrived;
  const [said, setSaid] = useState("");
  useEffect(() => {
    if (!following) return setSaid("");
    let known = latest.current;
    const timer = setInterval(() => {
      const more = latest.current - known;
      known = latest.current;
      setSaid(more > 0 ? `${more} new ${more === 1 ? "line" : "lines"}` : "");
    }, SAID_MS);
    return () => clearInterval(timer);
  }, [following]);
  return (
    <p role="status" className="sr-only">
      {said}
    </p>
  );
}
