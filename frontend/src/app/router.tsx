/** Every screen and its address. Screens are lazy: the first load carries the frame and nothing else. */
import { createRootRoute, createRoute, createRouter, lazyRouteComponent, Outlet } from "@tanstack/react-router";
import { loaded } from "@/lib/report";
import { Frame } from "./Frame";
import { Missing } from "./Missing";
import { ScreenError } from "./ScreenError";

const root = createRootRoute({ component: Outlet, notFoundComponent: Missing, errorComponent: ScreenError });
const frame = createRoute({ getParentRoute: () => root, id: "frame", component: Frame });

function screen<const Path extends string>(path: Path, load: () => Promise<{ default: React.ComponentType }>) {
  return createRoute({
    getParentRoute: () => frame,
    path,
    validateSearch: (search: Record<string, unknown>) => search,
    // Another job, dataset or reward is another screen: nothing of the one before stays in its state.
    remountDeps: ({ params }) => params,
    component: lazyRouteComponent(loaded(load)),
  });
}

function bare<const Path extends string>(path: Path, load: () => Promise<{ default: React.ComponentType }>) {
  return createRoute({
    getParentRoute: () => root,
    path,
    validateSearch: (search: Record<string, unknown>) => search,
    component: lazyRouteComponent(loaded(load)),
  });
}

const tree = root.addChildren([
  frame.addChildren([
    screen("/", () => import("@/features/home/HomePage")),
    screen("/jobs", () => import("@/features/jobs/JobsPage")),
    screen("/jobs/new", () => import("@/features/newjob/NewJobPage")),
    screen("/jobs/$id", () => import("@/features/job/JobPage")),
    screen("/compare", () => import("@/features/compare/ComparePage")),
    screen("/datasets", () => import("@/features/datasets/DatasetsPage")),
    screen("/datasets/$id", () => import("@/features/datasets/DatasetPage")),
    screen("/rewards", () => import("@/features/rewards/RewardsPage")),
    screen("/rewards/playground", () => import("@/features/rewards/PlaygroundPage")),
    screen("/rewards/$id", () => import("@/features/rewards/RewardPage")),
    screen("/deployments", () => import("@/features/deployments/DeploymentsPage")),
    screen("/deployments/$id", () => import("@/features/deployments/DeploymentPage")),
    screen("/chat", () => import("@/features/chat/ChatPage")),
    screen("/batches", () => import("@/features/batches/BatchesPage")),
    screen("/batches/$id", () => import("@/features/batches/BatchPage")),
    screen("/evals", () => import("@/features/evals/EvalsPage")),
    screen("/evals/compare", () => import("@/features/evals/EvalComparePage")),
    screen("/evals/runs/$id", () => import("@/features/evals/EvalRunPage")),
    screen("/evals/$id", () => import("@/features/evals/EvalPage")),
    screen("/costs", () => import("@/features/costs/CostsPage")),
    screen("/settings", () => import("@/features/settings/SettingsPage")),
    createRoute({ getParentRoute: () => frame, path: "$", component: Missing }),
  ]),
  bare("/sign-in", () => import("@/features/session/SignInPage")),
  bare("/cli-login", () => import("@/features/session/CliLoginPage")),
]);

export const router = createRouter({
  routeTree: tree,
  defaultPreload: "intent",
  defaultPendingMs: 150,
  scrollRestoration: true,
  scrollToTopSelectors: ["#content"],
  defaultErrorComponent: ScreenError,
});

declare module "@tanstack/react-router" {
  interface Register {
    router: typeof router;
  }
}
