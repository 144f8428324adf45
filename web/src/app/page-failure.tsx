import { Alert, Button } from "antd";
import { useTranslation } from "react-i18next";

/**
 * Stands where a page failed, the others stay within reach.
 *
 * Most often its file is gone, because a newer console was installed: the router has then loaded everything anew once
 * by itself, and what is told here is that this did not help.
 */
export function PageFailure() {
  const { t } = useTranslation();
  return (
    <Alert
      type="error"
      showIcon
      title={t("shell.pageFailed")}
      description={t("shell.pageFailedHint")}
      action={<Button onClick={() => window.location.reload()}>{t("shell.reload")}</Button>}
    />
  );
}
