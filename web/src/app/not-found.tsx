import { Result } from "antd";
import { useTranslation } from "react-i18next";

/** An address that leads nowhere. */
export function NotFound() {
  const { t } = useTranslation();
  return <Result status="404" title={t("shell.notFound")} />;
}
