import { Checkbox, Flex, Form, Select } from "antd";
import { useTranslation } from "react-i18next";
import { useStaffOptions, useUnitOptions } from "../../shared/organization";

/**
 * Whom a complaint is about, when that is somebody who works here: looked for in their unit, since a bank has too many
 * people for one list. The fields are `about_staff`, `accused_unit_id` and `accused_staff_id`; the last is the API's.
 */
export function AboutStaff() {
  const { t } = useTranslation();
  const form = Form.useFormInstance();
  const about = Form.useWatch<boolean | undefined>("about_staff") === true;
  const unitId = Form.useWatch<string | undefined>("accused_unit_id");
  const units = useUnitOptions();
  const staff = useStaffOptions(unitId);
  return (
    <>
      <Form.Item
        name="about_staff"
        valuePropName="checked"
        extra={about ? t("complaint.recusal") : undefined}
        style={{ marginBottom: 12 }}
      >
        <Checkbox>{t("complaint.aboutStaff")}</Checkbox>
      </Form.Item>
      {about && (
        <Flex gap={12} wrap>
          <Form.Item
            name="accused_unit_id"
            label={t("complaint.accusedUnit")}
            rules={[{ required: true }]}
            style={{ flex: "1 1 180px" }}
          >
            <Select
              showSearch={{ optionFilterProp: "label" }}
              options={units}
              onChange={() => form.setFieldValue("accused_staff_id", undefined)}
            />
          </Form.Item>
          <Form.Item
            name="accused_staff_id"
            label={t("complaint.accused")}
            rules={[{ required: true }]}
            style={{ flex: "1 1 180px" }}
          >
            <Select
              disabled={unitId === undefined}
              loading={staff.isFetching}
              showSearch={{ optionFilterProp: "label" }}
              options={staff.options}
            />
          </Form.Item>
        </Flex>
      )}
    </>
  );
}
