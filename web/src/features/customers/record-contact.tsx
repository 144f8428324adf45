import { Button, DatePicker, Form, Input, Radio, Select } from "antd";
import type { Dayjs } from "dayjs";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { api } from "../../api/client";
import { usePermission } from "../../app/session";
import { toInstant } from "../../shared/bank-time";
import { FormModal } from "../../shared/form-modal";

const KINDS = ["call", "visit", "counter", "message", "email", "app", "event"] as const;
const CHANNELS = ["phone", "counter", "wechat", "sms", "email", "push"] as const;

interface Contact {
  kind: (typeof KINDS)[number];
  channel: (typeof CHANNELS)[number];
  direction: "inbound" | "outbound";
  occurred_at?: Dayjs | null;
  note?: string;
}

/** Writes down a contact that somebody had with the customer outside this system. */
export function RecordContact({ customerId }: { customerId: string }) {
  const { t } = useTranslation();
  const mayWrite = usePermission("customer:write");
  const [open, setOpen] = useState(false);
  if (!mayWrite) {
    return null;
  }
  return (
    <>
      <Button onClick={() => setOpen(true)}>{t("timeline.record")}</Button>
      {open && (
        <FormModal<Contact, unknown>
          title={t("timeline.record")}
          initialValues={{ kind: "call", channel: "phone", direction: "outbound" }}
          send={({ occurred_at, note, ...contact }, key) =>
            api.POST("/api/v1/customers/{customer_id}/interactions", {
              params: { path: { customer_id: customerId }, header: { "Idempotency-Key": key } },
              body: {
                ...contact,
                occurred_at: occurred_at ? toInstant(occurred_at) : null,
                note: note || null,
              },
            })
          }
          changes={["timeline", "overview"]}
          onClose={() => setOpen(false)}
        >
          <Form.Item name="kind" label={t("timeline.kind")} rules={[{ required: true }]}>
            <Select options={KINDS.map((kind) => ({ value: kind, label: t(`interactionKind.${kind}`) }))} />
          </Form.Item>
          <Form.Item name="channel" label={t("complaint.channel")} rules={[{ required: true }]}>
            <Select
              options={CHANNELS.map((channel) => ({ value: channel, label: t(`channel.${channel}`) }))}
            />
          </Form.Item>
          <Form.Item name="direction" label={t("timeline.direction")} rules={[{ required: true }]}>
            <Radio.Group
              options={[
                { value: "outbound", label: t("timeline.outbound") },
                { value: "inbound", label: t("timeline.inbound") },
              ]}
            />
          </Form.Item>
          <Form.Item name="occurred_at" label={t("timeline.occurredAt")} extra={t("action.nowUnlessGiven")}>
            <DatePicker showTime={{ format: "HH:mm" }} format="YYYY-MM-DD HH:mm" style={{ width: "100%" }} />
          </Form.Item>
          <Form.Item name="note" label={t("timeline.note")}>
            <Input.TextArea rows={3} maxLength={10_000} />
          </Form.Item>
        </FormModal>
      )}
    </>
  );
}
