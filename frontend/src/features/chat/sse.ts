/** Server-sent events, piece by piece: what comes over the network is cut anywhere. */
export class EventParser {
  private rest = "";
  private data: string[] = [];
  private started = false;

  /** The data of the events that this piece completes. */
  push(piece: string): string[] {
    const text = this.rest + (this.started ? piece : piece.replace(/^\ufeff/, ""));
    if (piece) this.started = true;
    const found: string[] = [];
    let from = 0;
    for (;;) {
      const end = text.slice(from).search(/[\r\n]/);
      if (end < 0) break;
      const at = from + end;
      // The line feed that belongs to this carriage return may be in the next piece.
      if (text[at] === "\r" && at + 1 === text.length) break;
      this.line(text.slice(from, at), found);
      from = at + (text.startsWith("\r\n", at) ? 2 : 1);
    }
    this.rest = text.slice(from);
    return found;
  }

  private line(line: string, found: string[]): void {
    if (line === "") {
      if (this.data.length > 0) found.push(this.data.join("\n"));
      this.data = [];
      return;
    }
    const colon = line.indexOf(":");
    const name = colon < 0 ? line : line.slice(0, colon);
    if (name === "data") this.data.push(colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, ""));
  }
}
