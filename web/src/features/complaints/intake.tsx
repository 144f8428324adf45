import { PlusOutlined } from "@ant-design/icons";
import { Link } from "@tanstack/react-router";
import { Button, DatePicker, Flex, Form, Input, Radio, Result, Select } from "antd";
import type { Dayjs } from "dayjs";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { api, bodyOf } from "../../api/client";
import type { components } from "../../api/schema";
import type { Answer } from "../../api/types";
import { usePermission } from "../../app/session";
import { toInstant } from "../../shared/bank-time";
import { Facts } from "../../shared/facts";
import { FormModal } from "../../shared/form-modal";
import { CustomerPicker } from "../customers/customer-picker";
import { AboutStaff } from "./about-staff";
import { useCategoryOptions } from "./categories";
import { DeadlineTag } from "./deadline";

type Body = components["schemas"]["ComplaintIn"];
type Received = Answer<"/api/v1/complaints", "post">;

const KINDS = ["complaint", "enquiry", "suggestion"] as const;
const CHANNELS = ["phone", "counter", "wechat", "email", "sms", "push"] as const;

export interface Intake {
  kind: (typeof KINDS)[number];
  channel: (typeof CHANNELS)[number];
  category: string;
  customer_id?: string | null;
  received_at?: Dayjs | null;
  narrative: string;
  /** The person complained about; the form asks only when the complaint is about one. */
  accused_staff_id?: string;
}

/** What the form says, as the API takes it. */
export function intakeBody({ kind, channel, category, narrative, ...given }: Intake): Body {
  return {
    kind,
    channel,
    category,
    narrative,
    customer_id: given.customer_id ?? null,
    received_at: given.received_at ? toInstant(given.received_at) : null,
    accused_staff_id: given.accused_staff_id ?? null,
  };
}

async function receive(intake: Intake, key: string): Promise<Received> {
  return bodyOf(
    await api.POST("/api/v1/complaints", {
      params: { header: { "Idempotency-Key": key } },
      body: intakeBody(intake),
    }),
  );
}

/** What came of an intake: the number to tell the complainant, and by when which clock runs out. */
function Receipt({ received }: { received: Received }) {
  const { t } = useTranslation();
  return (
    <Result
      status="success"
      title={received.complaint_number}
      subTitle={t(received.kind === "complaint" ? "complaint.clocksRun" : "complaint.noClocks")}
      style={{ padding: "16px 0" }}
      extra={
        <Link to="/complaints/$complaintId" params={{ complaintId: received.complaint_id }}>
          {t("complaint.openCase")}
        </Link>
      }
    >
      {received.kind === "complaint" && (
        <Facts
          items={[
            [t("complaint.statutory"), <DeadlineTag key="statutory" deadline={received.statutory} />],
            [t("complaint.internal"), <DeadlineTag key="internal" deadline={received.internal} />],
          ]}
        />
      )}
    </Result>
  );
}

/** Takes in a complaint, an enquiry or a suggestion; on a customer's page it is that customer's. */
export function ComplaintIntake({ customerId }: { customerId?: string }) {
  const { t } = useTranslation();
  const mayWrite = usePermission("complaint:write");
  const categories = useCategoryOptions();
  const [open, setOpen] = useState(false);
  if (!mayWrite) {
    return null;
  }
  const words = <Value extends string>(values: readonly Value[], dictionary: string) =>
    values.map((value) => ({ value, label: t(`${dictionary}.${value}`) }));
  return (
    <>
      <Button
        type={customerId === undefined ? "primary" : "default"}
        icon={<PlusOutlined />}
        onClick={() => setOpen(true)}
      >
        {t("complaint.takeIn")}
      </Button>
      {open && (
        <FormModal<Intake, Received>
          title={t("complaint.takeIn")}
          initialValues={{ kind: "complaint", channel: "phone", category: "other", customer_id: customerId }}
          send={receive}
          changes={["complaints", "overview", "timeline"]}
          onClose={() => setOpen(false)}
          after={(received) => <Receipt received={received} />}
        >
          <Form.Item name="kind" label={t("complaint.kind")} rules={[{ required: true }]}>
            <Radio.Group options={words(KINDS, "complaintKind")} />
          </Form.Item>
          <Flex gap={12} wrap>
            <Form.Item
              name="channel"
              label={t("complaint.channel")}
              rules={[{ required: true }]}
              style={{ flex: "1 1 180px" }}
            >
              <Select options={words(CHANNELS, "channel")} />
            </Form.Item>
            <Form.Item
              name="category"
              label={t("complaint.category")}
              rules={[{ required: true }]}
              style={{ flex: "1 1 180px" }}
            >
              <Select showSearch={{ optionFilterProp: "label" }} options={categories} />
            </Form.Item>
          </Flex>
          <Form.Item
            name="customer_id"
            label={t("complaint.customer")}
            extra={customerId === undefined ? t("complaint.customerOptional") : undefined}
            hidden={customerId !== undefined}
          >
            <CustomerPicker />
          </Form.Item>
          <Form.Item
            name="narrative"
            label={t("complaint.narrative")}
            rules={[{ required: true, whitespace: true }]}
          >
            <Input.TextArea rows={5} maxLength={10_000} showCount />
          </Form.Item>
          <AboutStaff />
          <Form.Item name="received_at" label={t("complaint.receivedAt")} extra={t("action.nowUnlessGiven")}>
            <DatePicker showTime={{ format: "HH:mm" }} format="YYYY-MM-DD HH:mm" style={{ width: "100%" }} />
          </Form.Item>
        </FormModal>
      )}
    </>
  );
}
