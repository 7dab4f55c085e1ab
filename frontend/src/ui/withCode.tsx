/** A text in which names stand between backquotes, with these as code. */
export const withCode = (text: string) =>
  text.split("`").map((part, index) =>
    index % 2 ? (
      // biome-ignore lint/suspicious/noArrayIndexKey: parts of a text are known by their place
      <code key={index} className="font-mono text-2xs">
        {part}
      </code>
    ) : (
      part
    ),
  );
