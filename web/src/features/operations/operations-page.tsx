import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { Button, Col, Flex, Row, Select, Skeleton, type TableColumnsType, Tag, Typography } from "antd";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { api, bodyOf } from "../../api/client";
import type { Item } from "../../api/types";
import { usePermission } from "../../app/session";
import { FormModal } from "../../shared/form-modal";
import { formatInstant } from "../../shared/format";
import { Listing, nextCursor } from "../../shared/listing";
import { Page } from "../../shared/page";
import { ProblemAlert } from "../../shared/problem-alert";
import { ReasonField } from "./reason-field";
import { ServiceCard } from "./service-card";
import { operationsPath, SERVICES, type Service } from "./services";
import { Urgent } from "./urgent";

type DeadLetter = Item<"/api/v1/operations/customer/dead-letters">;

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
      {operations.data && <Urgent states={operations.data.services} readAt={operations.dataUpdatedAt} />}
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
