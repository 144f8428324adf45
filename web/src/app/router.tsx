import { createRootRoute, createRoute, createRouter, Navigate, Outlet } from "@tanstack/react-router";
import { Flex, Result, Spin } from "antd";
import { useTranslation } from "react-i18next";
import { CampaignPage } from "../features/campaigns/campaign-page";
import { CampaignsPage } from "../features/campaigns/campaigns-page";
import { ComplaintPage } from "../features/complaints/complaint-page";
import { ComplaintsPage } from "../features/complaints/complaints-page";
import { CustomerPage } from "../features/customers/customer-page";
import { CustomersPage } from "../features/customers/customers-page";
import { LoginPage } from "../features/login/login-page";
import { OperationsPage } from "../features/operations/operations-page";
import { SegmentPage } from "../features/segments/segment-page";
import { SegmentsPage } from "../features/segments/segments-page";
import { TodayPage } from "../features/today/today-page";
import { ProblemAlert } from "../shared/problem-alert";
import { SessionProvider, useSession, useSessionQuery } from "./session";
import { roomsFor, Shell } from "./shell";

function Entrance() {
  const session = useSessionQuery();
  const { t } = useTranslation();
  if (session.isPending) {
    return (
      <Flex align="center" justify="center" style={{ minHeight: "100vh" }}>
        <Spin size="large" description={t("shell.loading")} />
      </Flex>
    );
  }
  if (session.error) {
    return <ProblemAlert error={session.error} onRetry={() => void session.refetch()} />;
  }
  if (session.data === null || session.data === undefined) {
    return <LoginPage />;
  }
  return (
    <SessionProvider session={session.data}>
      <Shell />
    </SessionProvider>
  );
}

function FirstRoom() {
  const { t } = useTranslation();
  const room = roomsFor(useSession().permissions)[0];
  return room ? <Navigate to={room.path} replace /> : <Result status="403" title={t("shell.noRoom")} />;
}

function NotFound() {
  const { t } = useTranslation();
  return <Result status="404" title={t("shell.notFound")} />;
}

const root = createRootRoute({ component: Outlet, notFoundComponent: NotFound });
const inside = createRoute({ getParentRoute: () => root, id: "inside", component: Entrance });

const routes = [
  createRoute({ getParentRoute: () => inside, path: "/", component: FirstRoom }),
  createRoute({ getParentRoute: () => inside, path: "/today", component: TodayPage }),
  createRoute({ getParentRoute: () => inside, path: "/customers", component: CustomersPage }),
  createRoute({ getParentRoute: () => inside, path: "/customers/$customerId", component: CustomerPage }),
  createRoute({ getParentRoute: () => inside, path: "/complaints", component: ComplaintsPage }),
  createRoute({ getParentRoute: () => inside, path: "/complaints/$complaintId", component: ComplaintPage }),
  createRoute({ getParentRoute: () => inside, path: "/segments", component: SegmentsPage }),
  createRoute({ getParentRoute: () => inside, path: "/segments/$segmentId", component: SegmentPage }),
  createRoute({ getParentRoute: () => inside, path: "/campaigns", component: CampaignsPage }),
  createRoute({ getParentRoute: () => inside, path: "/campaigns/$campaignId", component: CampaignPage }),
  createRoute({ getParentRoute: () => inside, path: "/operations", component: OperationsPage }),
];

export const router = createRouter({ routeTree: root.addChildren([inside.addChildren(routes)]) });

declare module "@tanstack/react-router" {
  interface Register {
    router: typeof router;
  }
}
