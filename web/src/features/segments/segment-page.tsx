import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { Link, useParams } from "@tanstack/react-router";
import {
  Button,
  Card,
  Col,
  Collapse,
  Drawer,
  Flex,
  Popconfirm,
  Row,
  Skeleton,
  Statistic,
  type TableColumnsType,
  Tag,
  Typography,
} from "antd";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { api, bodyOf, idempotencyKey } from "../../api/client";
import type { Item } from "../../api/types";
import { usePermission } from "../../app/session";
import { useAct } from "../../shared/act";
import { formatCount, formatInstant, formatMoney } from "../../shared/format";
import { Listing, nextCursor } from "../../shared/listing";
import { Page } from "../../shared/page";
import { PageSkeleton } from "../../shared/page-skeleton";
import { Permitted } from "../../shared/permitted";
import { ProblemAlert } from "../../shared/problem-alert";
import { type Rule, ruleLines } from "./rule-words";
import { type Segment, SegmentModal } from "./segment-form";

type Member = Item<"/api/v1/segments/{segment_id}/members">;

function RuleCard({ segment }: { segment: Segment }) {
  const { t } = useTranslation();
  const rule = segment.rule_in_force ?? segment.rule;
  return (
    <Card title={t("segment.rule")} size="small">
      <Flex vertical gap={4}>
        {ruleLines(rule as Rule, t).map((line, position) => (
          // A rule is shown whole and never reordered: the place of a line is its identity.
          // biome-ignore lint/suspicious/noArrayIndexKey: see above
          <Typography.Text key={position} style={{ paddingLeft: line.depth * 20 }}>
            {line.text}
          </Typography.Text>
        ))}
        <Collapse
          ghost
          items={[
            {
              key: "json",
              label: "JSON",
              children: <pre style={{ margin: 0, overflow: "auto" }}>{JSON.stringify(rule, null, 2)}</pre>,
            },
          ]}
        />
      </Flex>
    </Card>
  );
}

/** Why one customer belongs: each condition's value, threshold and evidence. */
function Explanation({ segmentId, customerId }: { segmentId: string; customerId: string }) {
  const { t } = useTranslation();
  const explanation = useQuery({
    queryKey: ["explanation", segmentId, customerId],
    queryFn: async ({ signal }) =>
      bodyOf(
        await api.GET("/api/v1/segments/{segment_id}/explanations/{customer_id}", {
          params: { path: { segment_id: segmentId, customer_id: customerId } },
          signal,
        }),
      ),
  });
  if (explanation.error) {
    return <ProblemAlert error={explanation.error} onRetry={() => void explanation.refetch()} />;
  }
  if (!explanation.data) {
    return <Skeleton />;
  }
  return (
    <Flex vertical gap={12}>
      <Permitted permission="customer:read">
        <Link to="/customers/$customerId" params={{ customerId }}>
          {t("complaint.openCustomer")}
        </Link>
      </Permitted>
      {explanation.data.leaves.map((leaf) => (
        <Card
          key={leaf.pointer}
          size="small"
          title={ruleLines(leaf.condition as Rule, t)[0]?.text}
          styles={{ title: { whiteSpace: "normal" } }}
          extra={
            <Tag color={leaf.verdict === true ? "green" : leaf.verdict === false ? "red" : "default"}>
              {t(`verdict.${leaf.verdict === null ? "unknown" : leaf.verdict ? "yes" : "no"}`)}
            </Tag>
          }
        >
          <Flex vertical gap={4}>
            <Typography.Text>
              {t("segment.value")}: {leaf.value ?? "–"} · {t("segment.threshold")}:{" "}
              {leaf.threshold.join(", ")}
            </Typography.Text>
            {leaf.evidence.slice(0, 5).map((row) => (
              <Typography.Text type="secondary" key={`${row.account_id}:${row.transaction_id}:${row.on}`}>
                {row.on} {row.amount !== null && formatMoney(row.amount, "")}
              </Typography.Text>
            ))}
          </Flex>
        </Card>
      ))}
    </Flex>
  );
}

function Members({ segment }: { segment: Segment }) {
  const { t } = useTranslation();
  const segmentId = segment.segment_id;
  const [chosen, setChosen] = useState<Member | null>(null);
  const pages = useInfiniteQuery({
    // A new version in force has members of its own: they are read anew when the publication is through.
    queryKey: ["members", segmentId, segment.rule_version],
    initialPageParam: undefined as string | undefined,
    queryFn: async ({ pageParam, signal }) =>
      bodyOf(
        await api.GET("/api/v1/segments/{segment_id}/members", {
          params: { path: { segment_id: segmentId }, query: { cursor: pageParam } },
          signal,
        }),
      ),
    getNextPageParam: nextCursor,
  });
  const columns: TableColumnsType<Member> = [
    {
      title: t("customer.number"),
      dataIndex: "customer_number",
      render: (number: string, row) => (
        <Permitted permission="customer:read" otherwise={number}>
          <Link to="/customers/$customerId" params={{ customerId: row.customer_id }}>
            {number}
          </Link>
        </Permitted>
      ),
    },
    { title: t("segment.since"), dataIndex: "valid_from", render: formatInstant },
    { title: t("segment.cause"), dataIndex: "cause", render: (cause: string) => t(`cause.${cause}`) },
    {
      title: t("segment.why"),
      key: "why",
      render: (_, row) => (
        <Button size="small" onClick={() => setChosen(row)}>
          {t("segment.explain")}
        </Button>
      ),
    },
  ];
  return (
    <>
      <Listing
        pages={pages}
        columns={columns}
        rowKey="customer_id"
        label={t("segment.members")}
        empty={t("segment.noMembers")}
      />
      <Drawer
        open={chosen !== null}
        onClose={() => setChosen(null)}
        title={`${t("segment.why")} · ${chosen?.customer_number ?? ""}`}
        size="large"
      >
        {chosen && <Explanation segmentId={segmentId} customerId={chosen.customer_id} />}
      </Drawer>
    </>
  );
}

function Actions({ segment }: { segment: Segment }) {
  const { t } = useTranslation();
  const mayWrite = usePermission("segment:write");
  const [changing, setChanging] = useState(false);
  const publish = useAct<void>(
    () =>
      api.POST("/api/v1/segments/{segment_id}/publications", {
        params: {
          path: { segment_id: segment.segment_id },
          header: { "Idempotency-Key": idempotencyKey() },
        },
      }),
    ["segment", "segments", "members"],
  );
  if (!mayWrite) {
    return null;
  }
  return (
    <>
      <Button onClick={() => setChanging(true)}>{t("segment.change")}</Button>
      <Popconfirm title={t("segment.publishQuestion")} onConfirm={() => publish.mutate()}>
        <Button type="primary" loading={publish.isPending || segment.publishing}>
          {t("segment.publish")}
        </Button>
      </Popconfirm>
      {changing && <SegmentModal segment={segment} onClose={() => setChanging(false)} />}
    </>
  );
}

/** One segment: its rule in words, how many belong, who they are and why. */
export function SegmentPage() {
  const { segmentId } = useParams({ from: "/inside/segments/$segmentId" });
  const { t } = useTranslation();
  const segment = useQuery<Segment>({
    queryKey: ["segment", segmentId],
    refetchInterval: (query) => (query.state.data?.publishing ? 1_000 : 10_000),
    queryFn: async ({ signal }) =>
      bodyOf(
        await api.GET("/api/v1/segments/{segment_id}", {
          params: { path: { segment_id: segmentId } },
          signal,
        }),
      ),
  });
  if (segment.error) {
    return <ProblemAlert error={segment.error} onRetry={() => void segment.refetch()} />;
  }
  if (!segment.data) {
    return <PageSkeleton />;
  }
  return (
    <Page
      title={segment.data.name}
      subtitle={segment.data.description || segment.data.code}
      actions={<Actions segment={segment.data} />}
    >
      <Row gutter={[16, 16]}>
        <Col xs={24} lg={16}>
          <RuleCard segment={segment.data} />
        </Col>
        <Col xs={24} lg={8}>
          <Card size="small">
            <Statistic title={t("segment.members")} value={formatCount(segment.data.member_count)} />
            <Typography.Text type="secondary">
              {segment.data.rule_version === null
                ? t("segment.draft")
                : `v${segment.data.rule_version} · ${formatInstant(segment.data.published_at)}`}
            </Typography.Text>
          </Card>
        </Col>
      </Row>
      <Members segment={segment.data} />
    </Page>
  );
}
