import { Card, Col, Flex, Progress, Row, Statistic, Table, Typography } from "antd";
import { useTranslation } from "react-i18next";
import type { Answer } from "../../api/types";
import { formatCount, formatShare } from "../../shared/format";

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

/** Why members were or were not contacted; the reasons add up to the audience. */
export function ReasonsCard({ funnel }: { funnel: Funnel }) {
  const { t } = useTranslation();
  const rows = Object.entries(funnel.reasons).filter(([, count]) => count > 0);
  const all = funnel.undecided > 0 ? [...rows, ["undecided", funnel.undecided] as const] : rows;
  return (
    <Card title={t("funnel.reasons")} styles={{ body: { padding: 0 } }}>
      <Table
        aria-label={t("funnel.reasons")}
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
