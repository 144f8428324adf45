import { Navigate } from "@tanstack/react-router";
import { Result } from "antd";
import { useTranslation } from "react-i18next";
import { useSession } from "./session";
import { roomsFor } from "./shell";

/** Leads whoever comes without saying where to into the first room that is theirs. */
export function FirstRoom() {
  const { t } = useTranslation();
  const room = roomsFor(useSession().permissions)[0];
  return room ? <Navigate to={room.path} replace /> : <Result status="403" title={t("shell.noRoom")} />;
}
