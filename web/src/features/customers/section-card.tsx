import { Alert, Card, Tag } from "antd";
import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";
import { formatInstant } from "../../shared/format";

/** One section of the 360 as the gateway gives it. */
export interface Section<Data> {
  status: "ok" | "stale" | "unavailable";
  as_of: string | null;
  data: Data | null;
}

/** A section that says when it is old or not to be had; the others stand beside it all the same. */
export function SectionCard<Data>({
  title,
  section,
  children,
}: {
  title: string;
  section: Section<Data> | undefined;
  children: (data: Data) => ReactNode;
}) {
  const { t } = useTranslation();
  const status = section?.status ?? "unavailable";
  return (
    <Card
      title={title}
      size="small"
      extra={
        status === "stale" && (
          <Tag color="orange">{t("section.stale", { at: formatInstant(section?.as_of) })}</Tag>
        )
      }
    >
      {section === undefined || section.data === null || status === "unavailable" ? (
        <Alert type="warning" showIcon title={t("section.unavailable")} />
      ) : (
        children(section.data)
      )}
    </Card>
  );
}
