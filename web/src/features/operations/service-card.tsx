import { Button, Card, Col, Collapse, Empty, Flex, Row, Statistic, Table, Tag, Typography } from "antd";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { api } from "../../api/client";
import { usePermission } from "../../app/session";
import { FormModal } from "../../shared/form-modal";
import { formatCount, formatInstant, formatMoment, formatSpan } from "../../shared/format";
import { AlertWord } from "./alert-word";
import { type Alert, formatFigure, type Health, healthOf, type ServiceState } from "./health";
import { ReasonField } from "./reason-field";
import { operationsPath, type Service } from "./services";

type Consumer = Health["consumers"][number];

const STATUS_COLORS = { ok: "green", degraded: "orange", unavailable: "red" } as const;
const NOTHING = { emptyText: <Empty image={Empty.PRESENTED_IMAGE_SIMPLE} description="–" /> };

/** A consumer that gave up goes on when an operator says so, and why. */
function Resumption({ service, subscription }: { service: Service; subscription: string }) {
  const { t } = useTranslation();
  const mayWrite = usePermission("operations:write");
  const [open, setOpen] = useState(false);
  if (!mayWrite) {
    return null;
  }
  return (
    <>
      <Button size="small" onClick={() => setOpen(true)}>
        {t("operations.resume")}
      </Button>
      {open && (
        <FormModal<{ reason: string }, unknown>
          title={`${t("operations.resume")} · ${subscription}`}
          send={(body, key) =>
            api.POST(operationsPath(service, "consumers/{subscription}/resumptions"), {
              params: { path: { subscription }, header: { "Idempotency-Key": key } },
              body,
            })
          }
          changes={["operations"]}
          onClose={() => setOpen(false)}
        >
          <ReasonField />
        </FormModal>
      )}
    </>
  );
}

function Counts({ health }: { health: Health }) {
  const { t } = useTranslation();
  const counts = [
    ["outboxDepth", health.outbox.depth],
    ["deadLetters", health.open_dead_letters],
    ["parked", health.parked_messages],
    ["dueTimers", health.due_timers],
  ] as const;
  return (
    <Row gutter={[8, 8]}>
      {counts.map(([name, count]) => (
        <Col key={name} xs={12} sm={6}>
          <Statistic title={t(`operations.${name}`)} value={formatCount(count)} />
        </Col>
      ))}
    </Row>
  );
}

/** Each figure of the service that has an alert rule: how it stands, and from where on it is urgent. */
function Figures({ service, alerts }: { service: string; alerts: readonly Alert[] }) {
  const { t } = useTranslation();
  return (
    <Table
      aria-label={`${service}: ${t("operations.figures")}`}
      size="small"
      pagination={false}
      rowKey="alert"
      dataSource={alerts.filter(({ of }) => of === null)}
      columns={[
        {
          title: t("operations.figure"),
          dataIndex: "alert",
          render: (alert: string) => t(`alert.${alert}`, { defaultValue: alert }),
        },
        {
          title: t("operations.now"),
          dataIndex: "figure",
          align: "right",
          render: (figure: number | null, { alert }) => (
            <span className="number">{formatFigure(alert, figure)}</span>
          ),
        },
        {
          title: t("operations.threshold"),
          dataIndex: "threshold",
          align: "right",
          render: (threshold: number, { alert }) => (
            <span className="number secondary">{formatFigure(alert, threshold)}</span>
          ),
        },
        {
          title: t("operations.state"),
          dataIndex: "state",
          render: (state: Alert["state"]) => <AlertWord state={state} />,
        },
      ]}
    />
  );
}

function Consumers({ service, health }: { service: string; health: Health }) {
  const { t } = useTranslation();
  const lags = new Map(
    health.alerts.filter(({ alert }) => alert === "KehuConsumerLag").map((alert) => [alert.of, alert]),
  );
  return (
    <Table
      aria-label={`${service}: ${t("operations.lag")}`}
      size="small"
      pagination={false}
      rowKey="subscription"
      dataSource={health.consumers}
      locale={NOTHING}
      columns={[
        { title: t("operations.subscription"), dataIndex: "subscription" },
        {
          title: t("operations.state"),
          dataIndex: "state",
          render: (value: Consumer["state"], { subscription, reason }) => (
            <Flex gap={4} align="center" wrap>
              <Tag color={value === "running" ? "green" : "red"}>{t(`consumerState.${value}`)}</Tag>
              {value === "stopped" && <Resumption service={service as Service} subscription={subscription} />}
              {reason && <Typography.Text type="secondary">{reason}</Typography.Text>}
            </Flex>
          ),
        },
        {
          title: t("operations.lag"),
          dataIndex: "lag",
          align: "right",
          render: (lag: number | null, { subscription }) => {
            const alert = lags.get(subscription);
            return (
              <Flex gap={8} align="center" justify="flex-end">
                <span className="number">{formatCount(lag)}</span>
                {alert && alert.state !== "ok" && <AlertWord state={alert.state} />}
              </Flex>
            );
          },
        },
      ]}
    />
  );
}

function Timers({ service, timers }: { service: string; timers: Health["timers"] }) {
  const { t } = useTranslation();
  return (
    <Table
      aria-label={`${service}: ${t("operations.timers")}`}
      size="small"
      pagination={false}
      rowKey="kind"
      dataSource={timers}
      locale={NOTHING}
      columns={[
        { title: t("operations.kind"), dataIndex: "kind" },
        {
          title: t("operations.dueOfSet"),
          key: "due",
          render: (_, { due, set, failing, late_seconds }) => (
            <span className="number">
              {t("operations.dueCount", { due: formatCount(due), set: formatCount(set) })}
              {late_seconds !== null && ` · ${t("operations.late", { span: formatSpan(late_seconds) })}`}
              {failing > 0 && ` · ${t("operations.failing", { failing: formatCount(failing) })}`}
            </span>
          ),
        },
        {
          title: t("operations.nextDue"),
          dataIndex: "next_due_at",
          render: (at: string | null) => <span className="number">{formatInstant(at)}</span>,
        },
      ]}
    />
  );
}

function Topics({ service, health }: { service: string; health: Health }) {
  const { t } = useTranslation();
  const silences = new Map(
    health.alerts.filter(({ alert }) => alert === "KehuInboundSilent").map((alert) => [alert.of, alert]),
  );
  return (
    <Table
      aria-label={`${service}: ${t("operations.topics")}`}
      size="small"
      pagination={false}
      rowKey="topic"
      dataSource={health.topics}
      locale={NOTHING}
      columns={[
        {
          title: t("operations.topic"),
          dataIndex: "topic",
          render: (topic: string) => <span style={{ wordBreak: "break-word" }}>{topic}</span>,
        },
        {
          title: t("operations.lastMessage"),
          dataIndex: "last_message_at",
          render: (at: string) => <span className="number">{formatMoment(at)}</span>,
        },
        {
          title: t("operations.state"),
          key: "state",
          render: (_, { topic }) => {
            const alert = silences.get(topic);
            return alert ? <AlertWord state={alert.state} /> : null;
          },
        },
      ]}
    />
  );
}

function earliest(timers: Health["timers"]): string | null {
  const next = timers.flatMap(({ next_due_at }) => (next_due_at === null ? [] : [next_due_at]));
  return next.reduce<string | null>((first, at) => (first === null || at < first ? at : first), null);
}

function latest(topics: Health["topics"]): string | null {
  return topics.reduce<string | null>(
    (last, { last_message_at: at }) => (last === null || at > last ? at : last),
    null,
  );
}

function Details({ service, health }: { service: string; health: Health }) {
  const { t } = useTranslation();
  const newest = latest(health.topics);
  const head = (title: string, told: string) => (
    <Flex justify="space-between" gap={8} wrap>
      <span>{title}</span>
      <span className="number secondary">{told}</span>
    </Flex>
  );
  return (
    <Collapse
      size="small"
      items={[
        {
          key: "timers",
          label: head(
            t("operations.timers"),
            t("operations.nextDueAt", { at: formatInstant(earliest(health.timers)) }),
          ),
          children: <Timers service={service} timers={health.timers} />,
        },
        {
          key: "topics",
          label: head(t("operations.topics"), newest === null ? "–" : formatMoment(newest)),
          children: <Topics service={service} health={health} />,
        },
      ]}
    />
  );
}

/** A service at a glance: what waits, how urgent that is, its consumers, timers and topics. */
export function ServiceCard({ state }: { state: ServiceState }) {
  const { t } = useTranslation();
  const health = healthOf(state);
  return (
    <Card
      size="small"
      title={t(`serviceName.${state.service}`, { defaultValue: state.service })}
      extra={
        <Flex gap={4}>
          {health !== null && !state.ready && <Tag color="red">{t("operations.notReady")}</Tag>}
          <Tag color={STATUS_COLORS[state.status]}>{t(`serviceStatus.${state.status}`)}</Tag>
        </Flex>
      }
    >
      {health === null ? (
        <Typography.Text type="secondary">{t("operations.down")}</Typography.Text>
      ) : (
        <Flex vertical gap={12}>
          <Counts health={health} />
          <Figures service={state.service} alerts={health.alerts} />
          <Consumers service={state.service} health={health} />
          <Details service={state.service} health={health} />
        </Flex>
      )}
    </Card>
  );
}
