/** Sending a file to a signed URL, with progress; `fetch` cannot tell how much has left. */

export interface Sent {
  bytes: number;
  total: number;
  /** Over the last seconds; null before there is anything to measure. */
  bytesPerSecond: number | null;
}

export class UploadFailed extends Error {}

interface Options {
  signal: AbortSignal;
  onProgress: (sent: Sent) => void;
}

/** The address of a signed URL on the origin that this page came from: it may name another one that the page may not reach. */
export function sameOrigin(url: string): string {
  const { pathname, search } = new URL(url, location.origin);
  return pathname + search;
}

const MEASURED_MS = 3000;

/** How fast it goes, of the bytes that had gone at some moments of the last seconds. */
export class Pace {
  private marks: { at: number; bytes: number }[] = [];

  mark(at: number, bytes: number): number | null {
    this.marks.push({ at, bytes });
    while (this.marks.length > 2 && at - (this.marks[0]?.at ?? at) > MEASURED_MS) this.marks.shift();
    const first = this.marks[0];
    return first && at > first.at ? ((bytes - first.bytes) * 1000) / (at - first.at) : null;
  }
}

/** What the server said of a file that it refused, in its words. */
export function refusal(status: number, body: string): string {
  try {
    const { errors } = JSON.parse(body) as { errors: { message: string }[] };
    return errors.map((one) => one.message).join(" ");
  } catch {
    // Not ours: the page of a proxy on the way, most likely.
    return `The server answered ${status}.`;
  }
}

/** PUT the file. Rejects with UploadFailed, or with the signal's AbortError. */
export function putFile(url: string, file: Blob, { signal, onProgress }: Options): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) {
      reject(new DOMException("Cancelled", "AbortError"));
      return;
    }
    const request = new XMLHttpRequest();
    const pace = new Pace();
    const abort = () => request.abort();
    signal.addEventListener("abort", abort, { once: true });
    request.upload.onprogress = ({ loaded, timeStamp }) =>
      onProgress({ bytes: loaded, total: file.size, bytesPerSecond: pace.mark(timeStamp, loaded) });
    request.onloadend = () => signal.removeEventListener("abort", abort);
    request.onload = () => {
      if (request.status >= 200 && request.status < 300) resolve();
      else reject(new UploadFailed(refusal(request.status, request.responseText)));
    };
    request.onerror = () => reject(new UploadFailed("The connection broke before the whole file had arrived."));
    request.onabort = () => reject(new DOMException("Cancelled", "AbortError"));
    request.open("PUT", sameOrigin(url));
    request.setRequestHeader("Content-Type", "application/octet-stream");
    onProgress({ bytes: 0, total: file.size, bytesPerSecond: null });
    request.send(file);
  });
}
