import { RouterProvider } from "@tanstack/react-router";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { Provider } from "urql";
import { router } from "./app/router";
import { createClient } from "./lib/client";
import { handleKey } from "./lib/shortcuts";
import { Toasts } from "./ui/Toast";
import "./app/nonce";
import "./lib/theme";
import "./styles/base.css";

window.addEventListener("keydown", handleKey);

const root = document.getElementById("root");
if (!root) throw new Error("The page has no #root.");
createRoot(root).render(
  <StrictMode>
    <Provider value={createClient()}>
      <RouterProvider router={router} />
      <Toasts />
    </Provider>
  </StrictMode>,
);
