export default function Overview({ jobId }: { jobId: string }) {
  return <div data-job={jobId} />;
}
