export default function FilesPanel({
  search,
}: {
  search: React.ReactNode;
  q: string;
  onNew: (file?: File) => void;
  onUse: (id: string) => void;
}) {
  return <>{search}</>;
}
