import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import {
  Button,
  Card,
  Col,
  Empty,
  Flex,
  Form,
  Input,
  Row,
  Select,
  Skeleton,
  Statistic,
  Table,
  type TableColumnsType,
  Tag,
  Typography,
} from "antd";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { api, bodyOf } from "../../api/client";
import type { Answer, Item } from "../../api/types";
import { usePermission } from "../../app/session";
import { FormModal } from "../../shared/form-modal";
import { formatCount, formatInstant } from "../../shared/format";
import { Listing, nextCursor } from "../../shared/listing";
import { Page } from "../../shared/page";
import { ProblemAlert } from "../../shared/problem-alert";
import { operationsPath, SERVICES, type Service } from "./services";

type State = Answer<"/api/v1/operations">["services"][number];
type Health = Answer<"/api/v1/operations/customer/health">;
type DeadLetter = Item<"/api/v1/operations/customer/dead-letters">;

const STATUS_COLORS = { ok: "green", degraded: "orange", unavailable: "red" } as const;

function ReasonField() {
  const { t } = useTranslation();
  return (
    <Form.Item name="reason" label={t("action.reason")} rules={[{ required: true, min: 4, max: 200 }]}>
      <Input />
    </Form.Item>
  );
}

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

/** A service at a glance, with its consumers. */
export function ServiceCard({ state }: { state: State }) {
  const { t } = useTranslation();
  // The gateway hands each service's health on as it came.
  const health = state.health as Health | null;
  return (
    <Card
      size="small"
      title={t(`serviceName.${state.service}`, { defaultValue: state.service })}
      extra={<Tag color={STATUS_COLORS[state.status]}>{t(`serviceStatus.${state.status}`)}</Tag>}
    >
      {health === null ? (
        <Typography.Text type="secondary">{t("operations.down")}</Typography.Text>
      ) : (
        <Flex vertical gap={12}>
          <Row gutter={[8, 8]}>
            <Col xs={12} sm={6}>
              <Statistic title={t("operations.outboxDepth")} value={formatCount(health.outbox.depth)} />
            </Col>
            <Col xs={12} sm={6}>
              <Statistic title={t("operations.deadLetters")} value={formatCount(health.open_dead_letters)} />
            </Col>
            <Col xs={12} sm={6}>
              <Statistic title={t("operations.parked")} value={formatCount(health.parked_messages)} />
            </Col>
            <Col xs={12} sm={6}>
              <Statistic title={t("operations.failingTimers")} value={formatCount(health.failing_timers)} />
            </Col>
          </Row>
          <Table
            aria-label={`${state.service}: ${t("operations.lag")}`}
            size="small"
            pagination={false}
            rowKey="subscription"
            dataSource={health.consumers}
            locale={{ emptyText: <Empty image={Empty.PRESENTED_IMAGE_SIMPLE} description="–" /> }}
            columns={[
              { title: t("operations.subscription"), dataIndex: "subscription" },
              {
                title: t("operations.state"),
                dataIndex: "state",
                render: (value: Health["consumers"][number]["state"], consumer) => (
                  <Flex gap={4} align="center" wrap>
                    <Tag color={value === "running" ? "green" : "red"}>{t(`consumerState.${value}`)}</Tag>
                    {value === "stopped" && (
                      <Resumption service={state.service as Service} subscription={consumer.subscription} />
                    )}
                    {consumer.reason && <Typography.Text type="secondary">{consumer.reason}</Typography.Text>}
                  </Flex>
                ),
              },
              {
                title: t("operations.lag"),
                dataIndex: "lag",
                align: "right",
                render: (lag: number | null) => <span className="number">{formatCount(lag)}</span>,
              },
            ]}
          />
        </Flex>
      )}
    </Card>
  );
}

interface Wish {
  letter: DeadLetter;
  kind: "redrives" | "skips";
}

function settle(service: Service, wish: Wish, body: { reason: string }, key: string): Promise<unknown> {
  const params = {
    path: { dead_letter_id: wish.letter.dead_letter_id },
    header: { "Idempotency-Key": key },
  };
  return wish.kind === "redrives"
    ? api.POST(operationsPath(service, "dead-letters/{dead_letter_id}/redrives"), { params, body })
    : api.POST(operationsPath(service, "dead-letters/{dead_letter_id}/skips"), { params, body });
}

function SettleModal({ service, wish, onClose }: { service: Service; wish: Wish; onClose: () => void }) {
  const { t } = useTranslation();
  return (
    <FormModal<{ reason: string }, unknown>
      title={t(wish.kind === "redrives" ? "operations.redrive" : "operations.skip")}
      send={(body, key) => settle(service, wish, body, key)}
      changes={["dead-letters", "operations"]}
      onClose={onClose}
    >
      <ReasonField />
    </FormModal>
  );
}

function DeadLetters({ service }: { service: Service }) {
  const { t } = useTranslation();
  const mayWrite = usePermission("operations:write");
  const [wish, setWish] = useState<Wish | null>(null);
  const pages = useInfiniteQuery({
    queryKey: ["dead-letters", service],
    initialPageParam: undefined as string | undefined,
    refetchInterval: 10_000,
    queryFn: async ({ pageParam, signal }) =>
      bodyOf(
        await api.GET(operationsPath(service, "dead-letters"), {
          params: { query: { cursor: pageParam } },
          signal,
        }),
      ),
    getNextPageParam: nextCursor,
  });
  const columns: TableColumnsType<DeadLetter> = [
    { title: t("operations.diedAt"), dataIndex: "died_at", render: formatInstant },
    { title: t("operations.subscription"), dataIndex: "subscription" },
    { title: t("operations.type"), dataIndex: "type" },
    { title: t("operations.reason"), dataIndex: "reason" },
    {
      title: t("operations.state"),
      dataIndex: "state",
      render: (state: string) => (
        <Tag color={state === "open" ? "red" : "default"}>{t(`letterState.${state}`)}</Tag>
      ),
    },
    {
      title: t("operations.actions"),
      key: "actions",
      render: (_, letter) =>
        mayWrite && letter.state === "open" ? (
          <Flex gap={8}>
            <Button size="small" onClick={() => setWish({ letter, kind: "redrives" })}>
              {t("operations.redrive")}
            </Button>
            <Button size="small" danger onClick={() => setWish({ letter, kind: "skips" })}>
              {t("operations.skip")}
            </Button>
          </Flex>
        ) : (
          letter.settled_by
        ),
    },
  ];
  return (
    <>
      <Listing
        pages={pages}
        columns={columns}
        rowKey="dead_letter_id"
        label={t("operations.deadLetters")}
        empty={t("operations.none")}
      />
      {wish && <SettleModal service={service} wish={wish} onClose={() => setWish(null)} />}
    </>
  );
}

/** Every service at a glance, and what could not be handled, with the two ways to end it. */
export function OperationsPage() {
  const { t } = useTranslation();
  const [service, setService] = useState<Service>("customer");
  const operations = useQuery({
    queryKey: ["operations"],
    refetchInterval: 3_000,
    queryFn: async ({ signal }) => bodyOf(await api.GET("/api/v1/operations", { signal })),
  });
  return (
    <Page title={t("rooms.operations")} subtitle={t("operations.subtitle")}>
      {operations.error && (
        <ProblemAlert error={operations.error} onRetry={() => void operations.refetch()} />
      )}
      {operations.isPending && <Skeleton title={false} paragraph={{ rows: 8 }} />}
      <Row gutter={[16, 16]}>
        {operations.data?.services.map((state) => (
          <Col key={state.service} xs={24} xl={12}>
            <ServiceCard state={state} />
          </Col>
        ))}
      </Row>
      <Flex gap={12} align="center">
        <Typography.Title level={2} style={{ fontSize: 18, margin: 0 }}>
          {t("operations.deadLetters")}
        </Typography.Title>
        <Select<Service>
          aria-label={t("operations.service")}
          value={service}
          style={{ minWidth: 160 }}
          options={SERVICES.map((name) => ({ value: name, label: t(`serviceName.${name}`) }))}
          onChange={setService}
        />
      </Flex>
      <DeadLetters service={service} />
    </Page>
  );
}
