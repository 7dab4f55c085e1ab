/** The places of the dashboard: the sidebar, `g` and a letter, and the palette are all made of these. */
import { ChartLine, CircleDollarSign, Database, FlaskConical, House, MessageSquare, Rocket, Scale, Settings } from "lucide-react";

export const PLACES = [
  { to: "/", label: "Home", key: "h", icon: House },
  { to: "/jobs", label: "Jobs", key: "j", icon: ChartLine },
  { to: "/compare", label: "Compare", key: "m", icon: Scale },
  { to: "/datasets", label: "Datasets", key: "d", icon: Database },
  { to: "/rewards", label: "Rewards", key: "r", icon: FlaskConical },
  { to: "/deployments", label: "Deployments", key: "p", icon: Rocket },
  { to: "/chat", label: "Chat", key: "c", icon: MessageSquare },
  { to: "/costs", label: "Costs", key: "o", icon: CircleDollarSign },
  { to: "/settings", label: "Settings", key: "s", icon: Settings },
] as const;
