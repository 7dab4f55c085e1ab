export default function Rollouts({ jobId }: { jobId: string }) {
  return <div data-job={jobId} />;
}
