import {
  AuditOutlined,
  CalendarOutlined,
  CustomerServiceOutlined,
  DashboardOutlined,
  LogoutOutlined,
  MenuOutlined,
  NotificationOutlined,
  PartitionOutlined,
  TeamOutlined,
} from "@ant-design/icons";
import { Link, Outlet, useRouterState } from "@tanstack/react-router";
import { App, Button, Drawer, Flex, Grid, Layout, Menu, Segmented, Typography } from "antd";
import { type ReactNode, useState } from "react";
import { useTranslation } from "react-i18next";
import { currentLanguage, type Language, setLanguage } from "../i18n";
import { useLogout, useSession } from "./session";

interface Room {
  path: "/today" | "/customers" | "/complaints" | "/segments" | "/campaigns" | "/operations" | "/audit";
  /** Any one of these opens it. */
  permissions: readonly string[];
  icon: ReactNode;
}

const ROOMS: readonly Room[] = [
  { path: "/today", permissions: ["complaint:read", "campaign:read"], icon: <CalendarOutlined /> },
  { path: "/customers", permissions: ["customer:read"], icon: <TeamOutlined /> },
  { path: "/complaints", permissions: ["complaint:read"], icon: <CustomerServiceOutlined /> },
  { path: "/segments", permissions: ["segment:read"], icon: <PartitionOutlined /> },
  { path: "/campaigns", permissions: ["campaign:read"], icon: <NotificationOutlined /> },
  { path: "/operations", permissions: ["operations:read"], icon: <DashboardOutlined /> },
  { path: "/audit", permissions: ["audit:read"], icon: <AuditOutlined /> },
];

/** The rooms that a person may enter, in the order of the menu. */
export function roomsFor(permissions: readonly string[]): readonly Room[] {
  return ROOMS.filter((room) => room.permissions.some((permission) => permissions.includes(permission)));
}

function RoomMenu({ onChoose }: { onChoose?: () => void }) {
  const { t } = useTranslation();
  const session = useSession();
  const path = useRouterState({ select: (state) => state.location.pathname });
  const rooms = roomsFor(session.permissions);
  const selected = rooms.filter((room) => path.startsWith(room.path)).map((room) => room.path);
  return (
    <Menu
      theme="dark"
      mode="inline"
      selectedKeys={selected}
      onClick={onChoose}
      items={rooms.map((room) => ({
        key: room.path,
        icon: room.icon,
        label: <Link to={room.path}>{t(`rooms.${room.path.slice(1)}`)}</Link>,
      }))}
    />
  );
}

function Brand() {
  return (
    <Flex align="center" gap={10} style={{ padding: "16px 20px" }}>
      <img src="/favicon.svg" alt="" width={28} height={28} />
      <Typography.Text strong style={{ color: "#ffffff", fontSize: 18 }}>
        Kehu 客户
      </Typography.Text>
    </Flex>
  );
}

function LanguageSwitch() {
  const { t } = useTranslation();
  return (
    <Segmented<Language>
      aria-label={t("shell.language")}
      value={currentLanguage()}
      options={[
        { label: "中文", value: "zh" },
        { label: "English", value: "en" },
      ]}
      onChange={(language) => void setLanguage(language)}
    />
  );
}

/** The frame around every page: menu at the side, on a phone behind a button. */
export function Shell() {
  const { t } = useTranslation();
  const session = useSession();
  const logout = useLogout();
  const wide = Grid.useBreakpoint().lg === true;
  const [menuOpen, setMenuOpen] = useState(false);
  return (
    <App>
      <Layout style={{ minHeight: "100vh" }}>
        <a className="skip-link" href="#content">
          {t("shell.skip")}
        </a>
        {wide ? (
          <Layout.Sider
            width={220}
            theme="dark"
            // Stays in sight beside a long list.
            style={{ position: "sticky", top: 0, height: "100vh", overflow: "auto" }}
          >
            <Brand />
            <nav aria-label={t("shell.menu")}>
              <RoomMenu />
            </nav>
          </Layout.Sider>
        ) : (
          <Drawer
            placement="left"
            size={240}
            open={menuOpen}
            onClose={() => setMenuOpen(false)}
            title="Kehu 客户"
            styles={{ body: { padding: 0, background: "#0b2f52" } }}
          >
            <nav aria-label={t("shell.menu")}>
              <RoomMenu onChoose={() => setMenuOpen(false)} />
            </nav>
          </Drawer>
        )}
        <Layout>
          <Layout.Header style={{ padding: wide ? "0 24px" : "0 12px" }}>
            <Flex align="center" justify="space-between" gap={12} style={{ height: "100%" }}>
              {wide ? (
                <span />
              ) : (
                <Button
                  icon={<MenuOutlined />}
                  aria-label={t("shell.menu")}
                  onClick={() => setMenuOpen(true)}
                />
              )}
              <Flex align="center" gap={12}>
                <LanguageSwitch />
                {wide && <Typography.Text>{session.name}</Typography.Text>}
                <Button
                  icon={<LogoutOutlined />}
                  aria-label={t("shell.logout")}
                  onClick={() => void logout()}
                >
                  {wide ? t("shell.logout") : null}
                </Button>
              </Flex>
            </Flex>
          </Layout.Header>
          <Layout.Content id="content" style={{ padding: wide ? 24 : 12 }}>
            <Outlet />
          </Layout.Content>
        </Layout>
      </Layout>
    </App>
  );
}
