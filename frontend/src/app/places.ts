/** The places of the dashboard: the sidebar, `g` and a letter, and the palette are all made of these. */
import {
  ChartLine,
  CircleDollarSign,
  ClipboardCheck,
  Database,
  FlaskConical,
  House,
  Layers,
  MessageSquare,
  Rocket,
  Scale,
  Settings,
} from "lucide-react";

/** Where `section` is set, a line is drawn before it. */
export const PLACES = [
  { to: "/", label: "Home", key: "h", icon: House, section: false },
  { to: "/jobs", label: "Jobs", key: "j", icon: ChartLine, section: false },
  { to: "/compare", label: "Compare", key: "m", icon: Scale, section: false },
  { to: "/datasets", label: "Datasets", key: "d", icon: Database, section: false },
  { to: "/rewards", label: "Rewards", key: "r", icon: FlaskConical, section: false },
  { to: "/deployments", label: "Deployments", key: "p", icon: Rocket, section: true },
  { to: "/chat", label: "Chat", key: "c", icon: MessageSquare, section: false },
  { to: "/batches", label: "Batches", key: "b", icon: Layers, section: false },
  { to: "/evals", label: "Evals", key: "e", icon: ClipboardCheck, section: false },
  { to: "/costs", label: "Costs", key: "o", icon: CircleDollarSign, section: true },
  { to: "/settings", label: "Settings", key: "s", icon: Settings, section: false },
] as const;
