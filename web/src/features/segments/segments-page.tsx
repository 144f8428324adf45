import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { Card, Col, Row, Statistic, type TableColumnsType, Tag } from "antd";
import { useTranslation } from "react-i18next";
import { api, bodyOf } from "../../api/client";
import type { Item } from "../../api/types";
import { formatCount, formatInstant, formatMoney } from "../../shared/format";
import { Listing, nextCursor } from "../../shared/listing";
import { Page } from "../../shared/page";
import { ProblemAlert } from "../../shared/problem-alert";
import { BeginSegment } from "./segment-form";

type Segment = Item<"/api/v1/segments">;

function TierRow() {
  const { t } = useTranslation();
  const scheme = useQuery({
    queryKey: ["tiers"],
    queryFn: async ({ signal }) => bodyOf(await api.GET("/api/v1/tiers", { signal })),
  });
  if (scheme.error) {
    return <ProblemAlert error={scheme.error} onRetry={() => void scheme.refetch()} />;
  }
  return (
    <Row gutter={[16, 16]}>
      {scheme.data?.tiers.map((tier) => (
        <Col key={tier.tier} xs={12} lg={6}>
          <Card size="small">
            <Statistic
              title={`${t(`tier.${tier.tier}`)} ≥ ${formatMoney(tier.threshold, scheme.data.currency)}`}
              value={formatCount(tier.customer_count)}
              suffix={
                tier.watch_count > 0 ? (
                  <Tag color="orange">{t("segment.watching", { count: tier.watch_count })}</Tag>
                ) : undefined
              }
            />
          </Card>
        </Col>
      ))}
    </Row>
  );
}

/** The value tiers with their customers, and every segment with its count. */
export function SegmentsPage() {
  const { t } = useTranslation();
  const pages = useInfiniteQuery({
    queryKey: ["segments"],
    initialPageParam: undefined as string | undefined,
    queryFn: async ({ pageParam, signal }) =>
      bodyOf(await api.GET("/api/v1/segments", { params: { query: { cursor: pageParam } }, signal })),
    getNextPageParam: nextCursor,
  });
  const columns: TableColumnsType<Segment> = [
    {
      title: t("segment.code"),
      dataIndex: "code",
      render: (code: string, row) => (
        <Link to="/segments/$segmentId" params={{ segmentId: row.segment_id }}>
          {code}
        </Link>
      ),
    },
    { title: t("segment.name"), dataIndex: "name" },
    {
      title: t("segment.members"),
      dataIndex: "member_count",
      align: "right",
      render: (count: number) => <span className="number">{formatCount(count)}</span>,
    },
    {
      title: t("segment.version"),
      dataIndex: "rule_version",
      render: (version: number | null) =>
        version === null ? <Tag>{t("segment.draft")}</Tag> : <Tag color="green">v{version}</Tag>,
    },
    { title: t("segment.publishedAt"), dataIndex: "published_at", render: formatInstant },
  ];
  return (
    <Page title={t("rooms.segments")} subtitle={t("segment.subtitle")} actions={<BeginSegment />}>
      <TierRow />
      <Listing
        pages={pages}
        columns={columns}
        rowKey="segment_id"
        label={t("rooms.segments")}
        empty={t("segment.none")}
      />
    </Page>
  );
}
