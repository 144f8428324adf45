import { useInfiniteQuery } from "@tanstack/react-query";
import { Button, Card, Empty, Flex, Form, Input, Modal, Select, Timeline, Typography } from "antd";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { api, bodyOf, idempotencyKey } from "../../api/client";
import { usePermission } from "../../app/session";
import { useAct } from "../../shared/act";
import { formatInstant } from "../../shared/format";
import { nextCursor } from "../../shared/listing";
import { ProblemAlert } from "../../shared/problem-alert";
import { entryDetails } from "./entry-details";

interface Contact {
  kind: "visit" | "call" | "email" | "message" | "counter" | "app" | "event";
  channel: "sms" | "email" | "phone" | "wechat" | "push" | "counter";
  direction: "inbound" | "outbound";
  note?: string;
}

const KINDS = ["call", "visit", "counter", "message", "email", "app", "event"] as const;
const CHANNEL_OF: Record<Contact["kind"], Contact["channel"]> = {
  call: "phone",
  visit: "counter",
  counter: "counter",
  message: "wechat",
  email: "email",
  app: "push",
  event: "counter",
};

function RecordContact({ customerId }: { customerId: string }) {
  const { t } = useTranslation();
  const mayWrite = usePermission("customer:write");
  const [open, setOpen] = useState(false);
  const [form] = Form.useForm<Contact>();
  const record = useAct<Contact>(
    (contact) =>
      api.POST("/api/v1/customers/{customer_id}/interactions", {
        params: { path: { customer_id: customerId }, header: { "Idempotency-Key": idempotencyKey() } },
        body: { ...contact, channel: CHANNEL_OF[contact.kind] },
      }),
    ["timeline", "overview"],
  );
  if (!mayWrite) {
    return null;
  }
  return (
    <>
      <Button onClick={() => setOpen(true)}>{t("timeline.record")}</Button>
      <Modal
        title={t("timeline.record")}
        open={open}
        onCancel={() => setOpen(false)}
        onOk={() => form.submit()}
        confirmLoading={record.isPending}
      >
        <Form<Contact>
          form={form}
          layout="vertical"
          initialValues={{ kind: "call", direction: "outbound" }}
          onFinish={(contact) => record.mutate(contact, { onSuccess: () => setOpen(false) })}
        >
          <Form.Item name="kind" label={t("timeline.kind")} rules={[{ required: true }]}>
            <Select options={KINDS.map((kind) => ({ value: kind, label: t(`interactionKind.${kind}`) }))} />
          </Form.Item>
          <Form.Item name="direction" label={t("timeline.direction")} rules={[{ required: true }]}>
            <Select
              options={[
                { value: "outbound", label: t("timeline.outbound") },
                { value: "inbound", label: t("timeline.inbound") },
              ]}
            />
          </Form.Item>
          <Form.Item name="note" label={t("timeline.note")}>
            <Input.TextArea rows={3} maxLength={10_000} />
          </Form.Item>
        </Form>
      </Modal>
    </>
  );
}

/** Everything that happened with the customer, over all services, the newest first. */
export function CustomerTimeline({ customerId }: { customerId: string }) {
  const { t } = useTranslation();
  const pages = useInfiniteQuery({
    queryKey: ["timeline", customerId],
    initialPageParam: undefined as string | undefined,
    queryFn: async ({ pageParam, signal }) =>
      bodyOf(
        await api.GET("/api/v1/customers/{customer_id}/timeline", {
          params: { path: { customer_id: customerId }, query: { cursor: pageParam } },
          signal,
        }),
      ),
    getNextPageParam: nextCursor,
  });
  const entries = pages.data?.pages.flatMap((page) => page.items) ?? [];
  return (
    <Card loading={pages.isPending}>
      <Flex vertical gap={12}>
        <Flex>
          <RecordContact customerId={customerId} />
        </Flex>
        {pages.error && <ProblemAlert error={pages.error} onRetry={() => void pages.refetch()} />}
        {!pages.error && entries.length === 0 && <Empty description={t("timeline.none")} />}
        <Timeline
          items={entries.map((entry) => ({
            key: entry.entry_id,
            content: (
              <Flex vertical>
                <Typography.Text>
                  {t(`entry.${entry.type}`)}
                  {entry.channel && ` · ${t(`channel.${entry.channel}`)}`}
                </Typography.Text>
                <Typography.Text type="secondary">
                  {formatInstant(entry.occurred_at)} {entryDetails(entry.attributes, t)}
                </Typography.Text>
                {entry.note && <Typography.Text>{entry.note}</Typography.Text>}
              </Flex>
            ),
          }))}
        />
        {pages.hasNextPage && (
          <Flex justify="center">
            <Button loading={pages.isFetchingNextPage} onClick={() => void pages.fetchNextPage()}>
              {t("list.more")}
            </Button>
          </Flex>
        )}
      </Flex>
    </Card>
  );
}
