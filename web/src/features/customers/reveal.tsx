import { EyeOutlined } from "@ant-design/icons";
import { Button, Flex, Form, Input, Typography } from "antd";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { api, bodyOf } from "../../api/client";
import type { Answer } from "../../api/types";
import { usePermission } from "../../app/session";
import { FormModal } from "../../shared/form-modal";

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
  if (!mayReveal) {
    return null;
  }
  return (
    <>
      <Button icon={<EyeOutlined />} onClick={() => setOpen(true)}>
        {t("customer.reveal")}
      </Button>
      {open && (
        <FormModal<{ reason: string }, Revealed>
          title={t("customer.reveal")}
          send={async ({ reason }) =>
            bodyOf(
              await api.POST("/api/v1/customers/{customer_id}/reveals", {
                params: { path: { customer_id: customerId } },
                body: { fields: [...FIELDS], reason },
              }),
            )
          }
          changes={[]}
          onClose={() => setOpen(false)}
          after={(revealed) => <Values revealed={revealed} />}
        >
          <Form.Item
            name="reason"
            label={t("action.reason")}
            extra={t("customer.revealAudited")}
            rules={[{ required: true, min: 4, max: 200 }]}
          >
            <Input />
          </Form.Item>
        </FormModal>
      )}
    </>
  );
}
