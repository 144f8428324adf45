import { Form, Input } from "antd";
import { useTranslation } from "react-i18next";

/** Why an operator steps in; it stands in the audit. */
export function ReasonField() {
  const { t } = useTranslation();
  return (
    <Form.Item name="reason" label={t("action.reason")} rules={[{ required: true, min: 4, max: 200 }]}>
      <Input />
    </Form.Item>
  );
}
