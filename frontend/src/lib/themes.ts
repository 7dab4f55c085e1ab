import { Monitor, Moon, Sun } from "lucide-react";
import type { Theme } from "./theme";

export const THEMES: readonly { id: Theme; label: string; icon: typeof Sun }[] = [
  { id: "light", label: "Light", icon: Sun },
  { id: "dark", label: "Dark", icon: Moon },
  { id: "system", label: "As the system", icon: Monitor },
];
