import { PlusOutlined } from "@ant-design/icons";
import { useNavigate } from "@tanstack/react-router";
import { Button, Col, DatePicker, Divider, Form, Input, InputNumber, Row, Select } from "antd";
import { type ReactNode, useState } from "react";
import { useTranslation } from "react-i18next";
import { api, bodyOf } from "../../api/client";
import { usePermission } from "../../app/session";
import { businessNow, toPicked } from "../../shared/bank-time";
import { FormModal } from "../../shared/form-modal";
import { usePublishedSegments } from "./audience";
import { type Campaign, formOf, NEW_PLAN, type PlanForm, planBody } from "./plan-body";

const CHANNELS = ["sms", "email", "phone", "wechat", "push", "counter"] as const;
const PURPOSES = ["marketing", "service"] as const;
const VARIABLES = ["salutation", "product", "campaign"] as const;
const CODE = /^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$/;
const REQUIRED = [{ required: true }];

async function plan(form: PlanForm, key: string): Promise<Campaign> {
  return bodyOf(
    await api.POST("/api/v1/campaigns", {
      params: { header: { "Idempotency-Key": key } },
      body: planBody(form),
    }),
  );
}

async function mend(campaign: Campaign, form: PlanForm, key: string): Promise<Campaign> {
  const { code: _, purpose: __, unit_id: ___, ...change } = planBody(form);
  return bodyOf(
    await api.PATCH("/api/v1/campaigns/{campaign_id}", {
      params: {
        path: { campaign_id: campaign.id },
        header: { "if-match": `"${campaign.version}"`, "Idempotency-Key": key },
      },
      body: change,
    }),
  );
}

function Third({ children }: { children: ReactNode }) {
  return (
    <Col xs={24} sm={12} md={8}>
      {children}
    </Col>
  );
}

function AudienceFields() {
  const { t } = useTranslation();
  const segments = usePublishedSegments();
  const select = (
    <Select mode="multiple" showSearch={{ optionFilterProp: "label" }} options={segments} allowClear />
  );
  return (
    <Row gutter={12}>
      <Third>
        <Form.Item name={["audience", "any_of"]} label={t("campaign.anyOf")}>
          {select}
        </Form.Item>
      </Third>
      <Third>
        <Form.Item name={["audience", "all_of"]} label={t("campaign.allOf")}>
          {select}
        </Form.Item>
      </Third>
      <Third>
        <Form.Item name={["audience", "none_of"]} label={t("campaign.noneOf")}>
          {select}
        </Form.Item>
      </Third>
      <Form.Item name={["audience", "customers_of_unit_id"]} hidden>
        <Input />
      </Form.Item>
    </Row>
  );
}

function ContentFields({ isNew }: { isNew: boolean }) {
  const { t } = useTranslation();
  const named = VARIABLES.map((variable) => `{{ ${variable} }}`).join(" ");
  return (
    <>
      <Row gutter={12}>
        <Third>
          <Form.Item
            name="code"
            label={t("campaign.code")}
            rules={[...REQUIRED, { pattern: CODE, message: t("action.codePattern") }]}
          >
            <Input disabled={!isNew} maxLength={64} />
          </Form.Item>
        </Third>
        <Col xs={24} sm={12} md={16}>
          <Form.Item name="name" label={t("campaign.name")} rules={[{ required: true, whitespace: true }]}>
            <Input maxLength={200} />
          </Form.Item>
        </Col>
      </Row>
      <Form.Item
        name="objective"
        label={t("campaign.objective")}
        rules={[{ required: true, whitespace: true }]}
      >
        <Input.TextArea rows={2} maxLength={10_000} />
      </Form.Item>
      <Row gutter={12}>
        <Third>
          <Form.Item name="channel" label={t("campaign.channel")} rules={REQUIRED}>
            <Select options={CHANNELS.map((value) => ({ value, label: t(`channel.${value}`) }))} />
          </Form.Item>
        </Third>
        <Third>
          <Form.Item name="purpose" label={t("campaign.purpose")} rules={REQUIRED}>
            <Select
              disabled={!isNew}
              options={PURPOSES.map((value) => ({ value, label: t(`purpose.${value}`) }))}
            />
          </Form.Item>
        </Third>
        <Third>
          <Form.Item
            name="product_code"
            label={t("campaign.product")}
            rules={[...REQUIRED, { pattern: CODE, message: t("action.codePattern") }]}
          >
            <Input maxLength={64} />
          </Form.Item>
        </Third>
      </Row>
      <Form.Item
        name="message"
        label={t("campaign.message")}
        // The count of characters stands at the end of the same line.
        extra={<div style={{ paddingInlineEnd: 72 }}>{`${t("campaign.messageHint")} ${named}`}</div>}
        rules={[{ required: true, whitespace: true }]}
      >
        <Input.TextArea rows={3} maxLength={500} showCount />
      </Form.Item>
    </>
  );
}

function EffectFields() {
  const { t } = useTranslation();
  const picker = (
    <DatePicker
      showTime={{ format: "HH:mm" }}
      format="YYYY-MM-DD HH:mm"
      defaultPickerValue={toPicked(businessNow())}
      style={{ width: "100%" }}
    />
  );
  return (
    <Row gutter={12}>
      <Third>
        <Form.Item name="starts_at" label={t("campaign.startsAt")} extra={t("action.nowUnlessGiven")}>
          {picker}
        </Form.Item>
      </Third>
      <Third>
        <Form.Item name="ends_at" label={t("campaign.endsAt")} rules={REQUIRED}>
          {picker}
        </Form.Item>
      </Third>
      <Third>
        <Form.Item
          name="holdout_basis_points"
          label={t("campaign.holdout")}
          extra={t("campaign.holdoutHint")}
          rules={REQUIRED}
        >
          <InputNumber min={0} max={50} precision={2} suffix="%" style={{ width: "100%" }} />
        </Form.Item>
      </Third>
      <Third>
        <Form.Item
          name="conversion_window_days"
          label={t("campaign.conversionWindow")}
          extra={t("campaign.conversionHint")}
          rules={REQUIRED}
        >
          <InputNumber min={1} max={365} precision={0} style={{ width: "100%" }} />
        </Form.Item>
      </Third>
      <Third>
        <Form.Item name="target_conversions" label={t("campaign.target")}>
          <InputNumber min={1} precision={0} style={{ width: "100%" }} />
        </Form.Item>
      </Third>
      <Third>
        <Form.Item name="target_amount" label={t("campaign.targetAmount")}>
          <InputNumber<string> min="0.01" stringMode style={{ width: "100%" }} />
        </Form.Item>
      </Third>
    </Row>
  );
}

/** A campaign's plan: a new one, or a draft that is mended, after a rejection for instance. */
export function PlanModal({ campaign, onClose }: { campaign: Campaign | null; onClose: () => void }) {
  const { t } = useTranslation();
  const navigate = useNavigate();
  return (
    <FormModal<PlanForm, Campaign>
      size="wide"
      title={t(campaign === null ? "campaign.planNew" : "campaign.change")}
      initialValues={campaign === null ? NEW_PLAN : formOf(campaign)}
      send={(form, key) => (campaign === null ? plan(form, key) : mend(campaign, form, key))}
      changes={["campaigns", "campaign", "waterfall"]}
      onClose={onClose}
      onDone={({ id }) => void navigate({ to: "/campaigns/$campaignId", params: { campaignId: id } })}
      confirmLabel={t(campaign === null ? "campaign.saveDraft" : "action.save")}
    >
      <ContentFields isNew={campaign === null} />
      <Divider size="small" titlePlacement="start">
        {t("campaign.audience")}
      </Divider>
      <AudienceFields />
      <Divider size="small" titlePlacement="start">
        {t("campaign.effect")}
      </Divider>
      <EffectFields />
    </FormModal>
  );
}

/** The way to a new campaign. */
export function PlanCampaign() {
  const { t } = useTranslation();
  const mayWrite = usePermission("campaign:write");
  const [open, setOpen] = useState(false);
  if (!mayWrite) {
    return null;
  }
  return (
    <>
      <Button type="primary" icon={<PlusOutlined />} onClick={() => setOpen(true)}>
        {t("campaign.planNew")}
      </Button>
      {open && <PlanModal campaign={null} onClose={() => setOpen(false)} />}
    </>
  );
}
