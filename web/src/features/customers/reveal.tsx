import { EyeOutlined } from "@ant-design/icons";
import { useMutation } from "@tanstack/react-query";
import { Button, Flex, Form, Input, Modal, Typography } from "antd";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { api, bodyOf } from "../../api/client";
import type { Answer } from "../../api/types";
import { usePermission } from "../../app/session";
import { ProblemAlert } from "../../shared/problem-alert";

type Revealed = Answer<"/api/v1/customers/{customer_id}/reveals", "post">;

const FIELDS = ["names", "birth_date", "contact_points", "documents"] as const;

function Values({ revealed }: { revealed: Revealed }) {
  const { t } = useTranslation();
  return (
    <Flex vertical gap={4}>
      {revealed.names?.map((name) => (
        <Typography.Text key={name.id}>{name.name}</Typography.Text>
      ))}
      {revealed.birth_date && <Typography.Text>{revealed.birth_date}</Typography.Text>}
      {revealed.documents?.map((document) => (
        <Typography.Text key={document.id}>
          {t(`documentType.${document.type}`)} {document.number}
        </Typography.Text>
      ))}
      {revealed.contact_points?.map((point) => (
        <Typography.Text key={point.id}>
          {t(`contactType.${point.type}`)} {point.value}
        </Typography.Text>
      ))}
    </Flex>
  );
}

/** Shows masked values in clear: it asks why, the answer is audited, and nothing is kept after the window closes. */
export function Reveal({ customerId }: { customerId: string }) {
  const { t } = useTranslation();
  const mayReveal = usePermission("customer:reveal");
  const [open, setOpen] = useState(false);
  const [form] = Form.useForm<{ reason: string }>();
  const reveal = useMutation({
    gcTime: 0,
    mutationFn: async (reason: string) =>
      bodyOf(
        await api.POST("/api/v1/customers/{customer_id}/reveals", {
          params: { path: { customer_id: customerId } },
          body: { fields: [...FIELDS], reason },
        }),
      ),
  });
  const close = () => {
    setOpen(false);
    reveal.reset();
    form.resetFields();
  };
  if (!mayReveal) {
    return null;
  }
  return (
    <>
      <Button icon={<EyeOutlined />} onClick={() => setOpen(true)}>
        {t("customer.reveal")}
      </Button>
      <Modal
        title={t("customer.reveal")}
        open={open}
        onCancel={close}
        onOk={reveal.data ? close : () => form.submit()}
        confirmLoading={reveal.isPending}
        destroyOnHidden
      >
        {reveal.error && <ProblemAlert error={reveal.error} />}
        {reveal.data ? (
          <Values revealed={reveal.data} />
        ) : (
          <Form form={form} layout="vertical" onFinish={({ reason }) => reveal.mutate(reason)}>
            <Form.Item
              name="reason"
              label={t("action.reason")}
              extra={t("customer.revealAudited")}
              rules={[{ required: true, min: 4, max: 200 }]}
            >
              <Input />
            </Form.Item>
          </Form>
        )}
      </Modal>
    </>
  );
}
