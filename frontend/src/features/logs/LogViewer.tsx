/** The log of a job or a deployment. */
export default function LogViewer({ of, id }: { of: "job" | "deployment"; id: string }) {
  return <div data-of={of} data-id={id} />;
}
