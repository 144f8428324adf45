import {
  createRootRoute,
  createRoute,
  createRouter,
  lazyRouteComponent,
  Outlet,
} from "@tanstack/react-router";
import { Suspense } from "react";
import { LoginPage } from "../features/login/login-page";
import { PageSkeleton } from "../shared/page-skeleton";
import { ProblemAlert } from "../shared/problem-alert";
import { PageFailure } from "./page-failure";
import { SessionProvider, useSessionQuery } from "./session";

const Shell = lazyRouteComponent(() => import("./shell"), "Shell");
// Asked for together with the session, since whoever is logged in needs it next.
void Shell.preload?.();

function Entrance() {
  const session = useSessionQuery();
  if (session.isPending) {
    return <PageSkeleton />;
  }
  if (session.error) {
    return <ProblemAlert error={session.error} onRetry={() => void session.refetch()} />;
  }
  if (session.data === null || session.data === undefined) {
    return <LoginPage />;
  }
  return (
    <SessionProvider session={session.data}>
      <Suspense fallback={<PageSkeleton />}>
        <Shell />
      </Suspense>
    </SessionProvider>
  );
}

const root = createRootRoute({
  component: Outlet,
  notFoundComponent: lazyRouteComponent(() => import("./not-found"), "NotFound"),
});
const inside = createRoute({ getParentRoute: () => root, id: "inside", component: Entrance });

const routes = [
  createRoute({
    getParentRoute: () => inside,
    path: "/",
    component: lazyRouteComponent(() => import("./first-room"), "FirstRoom"),
  }),
  createRoute({
    getParentRoute: () => inside,
    path: "/today",
    component: lazyRouteComponent(() => import("../features/today/today-page"), "TodayPage"),
  }),
  createRoute({
    getParentRoute: () => inside,
    path: "/customers",
    component: lazyRouteComponent(() => import("../features/customers/customers-page"), "CustomersPage"),
  }),
  createRoute({
    getParentRoute: () => inside,
    path: "/customers/$customerId",
    component: lazyRouteComponent(() => import("../features/customers/customer-page"), "CustomerPage"),
  }),
  createRoute({
    getParentRoute: () => inside,
    path: "/complaints",
    component: lazyRouteComponent(() => import("../features/complaints/complaints-page"), "ComplaintsPage"),
  }),
  createRoute({
    getParentRoute: () => inside,
    path: "/complaints/$complaintId",
    component: lazyRouteComponent(() => import("../features/complaints/complaint-page"), "ComplaintPage"),
  }),
  createRoute({
    getParentRoute: () => inside,
    path: "/segments",
    component: lazyRouteComponent(() => import("../features/segments/segments-page"), "SegmentsPage"),
  }),
  createRoute({
    getParentRoute: () => inside,
    path: "/segments/$segmentId",
    component: lazyRouteComponent(() => import("../features/segments/segment-page"), "SegmentPage"),
  }),
  createRoute({
    getParentRoute: () => inside,
    path: "/campaigns",
    component: lazyRouteComponent(() => import("../features/campaigns/campaigns-page"), "CampaignsPage"),
  }),
  createRoute({
    getParentRoute: () => inside,
    path: "/campaigns/$campaignId",
    component: lazyRouteComponent(() => import("../features/campaigns/campaign-page"), "CampaignPage"),
  }),
  createRoute({
    getParentRoute: () => inside,
    path: "/operations",
    component: lazyRouteComponent(() => import("../features/operations/operations-page"), "OperationsPage"),
  }),
  createRoute({
    getParentRoute: () => inside,
    path: "/audit",
    component: lazyRouteComponent(() => import("../features/operations/audit-page"), "AuditPage"),
  }),
];

export const router = createRouter({
  routeTree: root.addChildren([inside.addChildren(routes)]),
  // Each page is a file of its own, which is asked for as soon as somebody points at a link to it.
  defaultPreload: "intent",
  defaultPendingComponent: PageSkeleton,
  defaultPendingMs: 200,
  defaultPendingMinMs: 200,
  defaultErrorComponent: PageFailure,
});

declare module "@tanstack/react-router" {
  interface Register {
    router: typeof router;
  }
}
