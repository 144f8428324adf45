import { useQuery } from "@tanstack/react-query";
import { Card, Col, Flex, Progress, Row, Statistic, Table, Typography } from "antd";
import { useTranslation } from "react-i18next";
import { api, bodyOf } from "../../api/client";
import type { Answer } from "../../api/types";
import { formatCount, formatShare } from "../../shared/format";
import { ProblemAlert } from "../../shared/problem-alert";

type Funnel = Answer<"/api/v1/campaigns/{campaign_id}/funnel">;

/** The steps from audience to conversion, each with its share of the audience. */
export function funnelSteps(funnel: Funnel): readonly (readonly [name: string, count: number])[] {
  return [
    ["audience", funnel.audience],
    ["decided", funnel.decided],
    ["allowed", funnel.allowed],
    ["sent", funnel.messages.sent],
    ["delivered", funnel.messages.delivered],
    ["opened", funnel.messages.opened],
    ["clicked", funnel.messages.clicked],
    ["converted", funnel.contacted.customers],
  ];
}

export function FunnelCard({ funnel }: { funnel: Funnel }) {
  const { t } = useTranslation();
  return (
    <Card title={t("funnel.title")}>
      <Flex vertical gap={10}>
        {funnelSteps(funnel).map(([name, count]) => (
          <Row key={name} gutter={12} align="middle">
            <Col xs={8} md={5}>
              <Typography.Text>{t(`funnel.${name}`)}</Typography.Text>
            </Col>
            <Col xs={6} md={14}>
              <Progress
                percent={funnel.audience === 0 ? 0 : (count / funnel.audience) * 100}
                showInfo={false}
                aria-label={t(`funnel.${name}`)}
              />
            </Col>
            <Col xs={10} md={5} style={{ textAlign: "right" }} className="number">
              {formatCount(count)} · {formatShare(count, funnel.audience)}
            </Col>
          </Row>
        ))}
      </Flex>
    </Card>
  );
}

/** Why members are or are not contacted; the reasons add up to the audience. */
export function ReasonsCard({
  title,
  reasons,
  undecided = 0,
}: {
  title: string;
  reasons: Funnel["reasons"];
  undecided?: number;
}) {
  const { t } = useTranslation();
  const rows = Object.entries(reasons)
    .filter(([, count]) => count > 0)
    .sort(
      ([one, few], [other, many]) => Number(other === "allowed") - Number(one === "allowed") || many - few,
    );
  const all = undecided > 0 ? [...rows, ["undecided", undecided] as const] : rows;
  return (
    <Card title={title} styles={{ body: { padding: 0 } }}>
      <Table
        aria-label={title}
        size="small"
        pagination={false}
        rowKey="reason"
        dataSource={all.map(([reason, count]) => ({ reason, count }))}
        columns={[
          {
            title: t("funnel.reason"),
            dataIndex: "reason",
            render: (reason: string) => t(`reason.${reason}`),
          },
          {
            title: t("funnel.members"),
            dataIndex: "count",
            align: "right",
            render: (count: number) => <span className="number">{formatCount(count)}</span>,
          },
        ]}
        summary={() => (
          <Table.Summary.Row>
            <Table.Summary.Cell index={0}>{t("funnel.sum")}</Table.Summary.Cell>
            <Table.Summary.Cell index={1} align="right">
              <span className="number">{formatCount(all.reduce((sum, [, count]) => sum + count, 0))}</span>
            </Table.Summary.Cell>
          </Table.Summary.Row>
        )}
      />
    </Card>
  );
}

/** Before the launch: whom the gate would let through now, and why the others drop out. */
export function WaterfallCard({ campaignId }: { campaignId: string }) {
  const { t } = useTranslation();
  const waterfall = useQuery({
    queryKey: ["waterfall", campaignId],
    queryFn: async ({ signal }) =>
      bodyOf(
        await api.GET("/api/v1/campaigns/{campaign_id}/waterfall", {
          params: { path: { campaign_id: campaignId } },
          signal,
        }),
      ),
  });
  if (waterfall.error) {
    return <ProblemAlert error={waterfall.error} onRetry={() => void waterfall.refetch()} />;
  }
  return waterfall.data ? (
    <ReasonsCard title={t("funnel.waterfall")} reasons={waterfall.data.reasons} />
  ) : (
    <Card title={t("funnel.waterfall")} loading />
  );
}

/** What the contacted did beside what the control group did. */
export function EffectCard({ funnel }: { funnel: Funnel }) {
  const { t } = useTranslation();
  return (
    <Card title={t("funnel.effect")}>
      <Row gutter={24}>
        <Col span={12}>
          <Statistic title={t("funnel.contacted")} value={funnel.contacted.rate} suffix="%" />
          <Typography.Text type="secondary">
            {formatCount(funnel.contacted.customers)} / {formatCount(funnel.contacted.members)}
          </Typography.Text>
        </Col>
        <Col span={12}>
          <Statistic title={t("reason.holdout")} value={funnel.holdout.rate} suffix="%" />
          <Typography.Text type="secondary">
            {formatCount(funnel.holdout.customers)} / {formatCount(funnel.holdout.members)}
          </Typography.Text>
        </Col>
      </Row>
    </Card>
  );
}
