import { FilmIcon } from "lucide-react";
import { type Ref, useEffect, useImperativeHandle, useRef } from "react";
import { cx } from "@/ui/cx";

interface ClipProps {
  url: string | null;
  label: string;
  playing: boolean;
  controls?: boolean;
  className?: string;
  ref?: Ref<HTMLVideoElement>;
  /** Its address ran out, or it cannot be played. */
  onFail: () => void;
  onLoad: () => void;
}

/** One clip: silent, over and over, for as long as it is in sight. */
export function Clip({ url, label, playing, controls = false, className, ref, onFail, onLoad }: ClipProps) {
  const video = useRef<HTMLVideoElement>(null);
  useImperativeHandle(ref, () => video.current as HTMLVideoElement, []);
  useEffect(() => {
    const shown = video.current;
    if (!shown || !url) return;
    if (!playing) {
      shown.pause();
      return;
    }
    // Many clips at once are work for a browser: those out of sight stand still.
    const seen = new IntersectionObserver(([entry]) => {
      // A browser that plays nothing by itself leaves the first frame, and the reader the controls.
      if (entry?.isIntersecting) shown.play().catch(() => undefined);
      else shown.pause();
    });
    seen.observe(shown);
    return () => seen.disconnect();
  }, [playing, url]);
  if (!url)
    return (
      <div
        className={cx(
          "flex aspect-video flex-col items-center justify-center gap-1 rounded-md bg-hover text-2xs text-ink-3",
          className,
        )}
      >
        <FilmIcon aria-hidden className="size-4" />
        no clip
      </div>
    );
  return (
    <video
      ref={video}
      src={url}
      aria-label={label}
      className={cx("block rounded-md bg-hover", className)}
      loop
      muted
      playsInline
      preload="auto"
      controls={controls}
      onError={onFail}
      onLoadedData={onLoad}
    />
  );
}
