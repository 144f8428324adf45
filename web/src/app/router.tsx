import { createRootRoute, createRoute, createRouter, Navigate, Outlet } from "@tanstack/react-router";
import { Flex, Result, Spin } from "antd";
import { useTranslation } from "react-i18next";
import { CustomersPage } from "../features/customers/customers-page";
import { LoginPage } from "../features/login/login-page";
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
  createRoute({ getParentRoute: () => inside, path: "/customers", component: CustomersPage }),
];

export const router = createRouter({ routeTree: root.addChildren([inside.addChildren(routes)]) });

declare module "@tanstack/react-router" {
  interface Register {
    router: typeof router;
  }
}
