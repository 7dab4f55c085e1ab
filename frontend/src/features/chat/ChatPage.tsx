import { useTitle } from "@/lib/page";
import { Page } from "@/ui/Panel";

export default function ChatPage() {
  useTitle("Chat");
  return <Page title="Chat">{null}</Page>;
}
