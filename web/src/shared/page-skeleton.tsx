import { Flex, Skeleton } from "antd";
import { useTranslation } from "react-i18next";

/** Where a page will stand, while it or what it shows is on its way. */
export function PageSkeleton() {
  const { t } = useTranslation();
  return (
    <Flex vertical gap={16} role="status" aria-label={t("shell.loading")}>
      <Skeleton title={{ width: 180 }} paragraph={{ rows: 1, width: 280 }} />
      <section className="panel">
        <Skeleton title={false} paragraph={{ rows: 6 }} />
      </section>
    </Flex>
  );
}
