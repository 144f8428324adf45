import { PlusOutlined } from "@ant-design/icons";
import { useNavigate } from "@tanstack/react-router";
import { Button, Col, Form, Input, Row } from "antd";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { api, bodyOf } from "../../api/client";
import type { Answer } from "../../api/types";
import { usePermission } from "../../app/session";
import { FormModal } from "../../shared/form-modal";
import { RuleEditor } from "./rule-editor";
import { blank, fromRule, type Group, placeInForm, toRule } from "./rule-tree";
import type { Rule } from "./rule-words";

export type Segment = Answer<"/api/v1/segments/{segment_id}">;

const CODE = /^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$/;

interface SegmentForm {
  code: string;
  name: string;
  description?: string;
  rule: Group;
}

async function begin({ code, name, description, rule }: SegmentForm, key: string): Promise<Segment> {
  return bodyOf(
    await api.POST("/api/v1/segments", {
      params: { header: { "Idempotency-Key": key } },
      body: { code, name, description: description ?? "", rule: toRule(rule) },
    }),
  );
}

async function change(segment: Segment, form: SegmentForm, key: string): Promise<Segment> {
  return bodyOf(
    await api.PATCH("/api/v1/segments/{segment_id}", {
      params: {
        path: { segment_id: segment.segment_id },
        header: { "if-match": `"${segment.version}"`, "Idempotency-Key": key },
      },
      body: { name: form.name, description: form.description ?? "", rule: toRule(form.rule) },
    }),
  );
}

/** A segment's name and rule; what is saved is a draft until it is published. */
export function SegmentModal({ segment, onClose }: { segment: Segment | null; onClose: () => void }) {
  const { t } = useTranslation();
  const navigate = useNavigate();
  return (
    <FormModal<SegmentForm, Segment>
      size="wide"
      title={t(segment === null ? "segment.begin" : "segment.change")}
      initialValues={
        segment === null
          ? { rule: { join: "and", rules: [blank("balance")] } }
          : {
              code: segment.code,
              name: segment.name,
              description: segment.description,
              rule: fromRule(segment.rule as Rule),
            }
      }
      send={(form, key) => (segment === null ? begin(form, key) : change(segment, form, key))}
      changes={["segments", "segment"]}
      translate={placeInForm}
      onClose={onClose}
      onDone={({ segment_id }) =>
        void navigate({ to: "/segments/$segmentId", params: { segmentId: segment_id } })
      }
      confirmLabel={t("segment.saveDraft")}
      notice={t("segment.draftUntilPublished")}
    >
      <Row gutter={12}>
        <Col xs={24} sm={8}>
          <Form.Item
            name="code"
            label={t("segment.code")}
            rules={[{ required: true }, { pattern: CODE, message: t("action.codePattern") }]}
          >
            <Input disabled={segment !== null} maxLength={64} />
          </Form.Item>
        </Col>
        <Col xs={24} sm={16}>
          <Form.Item name="name" label={t("segment.name")} rules={[{ required: true, whitespace: true }]}>
            <Input maxLength={200} />
          </Form.Item>
        </Col>
      </Row>
      <Form.Item name="description" label={t("segment.description")}>
        <Input maxLength={2000} />
      </Form.Item>
      <RuleEditor name="rule" />
    </FormModal>
  );
}

/** The way to a new segment. */
export function BeginSegment() {
  const { t } = useTranslation();
  const mayWrite = usePermission("segment:write");
  const [open, setOpen] = useState(false);
  if (!mayWrite) {
    return null;
  }
  return (
    <>
      <Button type="primary" icon={<PlusOutlined />} onClick={() => setOpen(true)}>
        {t("segment.begin")}
      </Button>
      {open && <SegmentModal segment={null} onClose={() => setOpen(false)} />}
    </>
  );
}
