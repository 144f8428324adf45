import { DeleteOutlined, PlusOutlined } from "@ant-design/icons";
import { Button, Card, DatePicker, Flex, Form, Input, InputNumber, Radio, Select } from "antd";
import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";
import type { Step } from "../../shared/field-errors";
import { useUnitOptions } from "../../shared/organization";
import {
  blank,
  type Condition,
  FACTS,
  type Fact,
  type Group,
  isGroup,
  ORDERED,
  type Part,
} from "./rule-tree";

const COMPARISONS = [">=", ">", "<=", "<", "=", "!="] as const;
const SET_OPERATORS = ["in", "not_in", "is_null", "is_not_null"] as const;
const SIGNS: Record<string, string> = { ">=": "≥", "<=": "≤", "!=": "≠" };
const CHOICES: Partial<Record<Fact, readonly string[]>> = {
  kind: ["individual", "sole_proprietor", "company", "institution"],
  status: ["active", "closed", "deceased"],
  gender: ["female", "male", "unknown"],
};
const PRODUCT_CLASSES = [
  "current",
  "savings",
  "time_deposit",
  "wealth",
  "fund",
  "insurance",
  "loan",
  "card",
  "standing_order",
] as const;
const AGGREGATES = ["any", "count", "sum", "min", "max", "avg"] as const;
const DEEPEST = 3;

/** Where a part of the rule stands: in the list that it is an entry of, and in the whole form. */
interface Place {
  inList: Step[];
  inForm: Step[];
}

const below = (place: Place, ...steps: Step[]): Place => ({
  inList: [...place.inList, ...steps],
  inForm: [...place.inForm, ...steps],
});

function Field({
  place,
  name,
  label,
  width,
  required = false,
  children,
}: {
  place: Place;
  name: Step[];
  label: string;
  width: number;
  required?: boolean;
  children: ReactNode;
}) {
  return (
    <Form.Item
      name={[...place.inList, ...name]}
      label={label}
      rules={[{ required }]}
      style={{ flex: `1 1 ${width}px`, marginBottom: 8, minWidth: 0 }}
    >
      {children}
    </Form.Item>
  );
}

function OperatorField({ place, operators }: { place: Place; operators: readonly string[] }) {
  const { t } = useTranslation();
  return (
    <Field place={place} name={["operator"]} label={t("builder.operator")} width={100} required>
      <Select
        options={operators.map((value) => ({
          value,
          label: SIGNS[value] ?? t(`operator.${value}`, { defaultValue: value }),
        }))}
      />
    </Field>
  );
}

function ProductFields({ place }: { place: Place }) {
  const { t } = useTranslation();
  return (
    <>
      <Field place={place} name={["where", "product_class"]} label={t("holding.product")} width={180}>
        <Select
          mode="multiple"
          allowClear
          placeholder={t("builder.every")}
          options={PRODUCT_CLASSES.map((value) => ({ value, label: t(`productClass.${value}`) }))}
        />
      </Field>
      <Field place={place} name={["where", "product_code"]} label={t("holding.code")} width={140}>
        <Select mode="tags" placeholder={t("builder.every")} open={false} suffixIcon={null} />
      </Field>
    </>
  );
}

function DaysField({ place, name, label }: { place: Place; name: string; label: string }) {
  const { t } = useTranslation();
  return (
    <Field place={place} name={[name]} label={label} width={110}>
      <InputNumber min={1} max={3660} precision={0} placeholder={t("rule.ever")} style={{ width: "100%" }} />
    </Field>
  );
}

function HoldingCondition({ place }: { place: Place }) {
  const { t } = useTranslation();
  return (
    <>
      <ProductFields place={place} />
      <DaysField place={place} name="opened_within_days" label={t("builder.openedWithin")} />
      <OperatorField place={place} operators={COMPARISONS} />
      <Field place={place} name={["value"]} label={t("builder.count")} width={90} required>
        <InputNumber min={0} precision={0} style={{ width: "100%" }} />
      </Field>
      <Form.Item name={[...place.inList, "open"]} hidden>
        <Input />
      </Form.Item>
    </>
  );
}

function WindowCondition({ place, fact }: { place: Place; fact: "balance" | "transaction" }) {
  const { t } = useTranslation();
  return (
    <>
      <Field place={place} name={["aggregate"]} label={t("builder.aggregate")} width={110} required>
        <Select options={AGGREGATES.map((value) => ({ value, label: t(`aggregate.${value}`) }))} />
      </Field>
      {fact === "transaction" && (
        <Field place={place} name={["where", "kind"]} label={t("holding.direction")} width={110}>
          <Select
            allowClear
            placeholder={t("builder.every")}
            options={["credit", "debit"].map((value) => ({ value, label: t(`transactionKind.${value}`) }))}
          />
        </Field>
      )}
      <ProductFields place={place} />
      <DaysField place={place} name="days" label={t("builder.withinDays")} />
      <OperatorField place={place} operators={COMPARISONS} />
      <Field place={place} name={["value"]} label={t("segment.threshold")} width={130} required>
        <InputNumber<string> stringMode style={{ width: "100%" }} />
      </Field>
      <Form.Item name={[...place.inList, "measure"]} hidden>
        <Input />
      </Form.Item>
      <Form.Item name={[...place.inList, "where", "currency"]} hidden>
        <Input />
      </Form.Item>
    </>
  );
}

function AttributeCondition({ place, fact }: { place: Place; fact: Fact }) {
  const { t } = useTranslation();
  const units = useUnitOptions();
  const operator = Form.useWatch<string>([...place.inForm, "operator"]);
  const choices = CHOICES[fact]?.map((value) => ({ value, label: t(`word.${value}`) }));
  const operators = ORDERED.has(fact) ? [...COMPARISONS, ...SET_OPERATORS] : SET_OPERATORS;
  const many = operator === "in" || operator === "not_in";
  return (
    <>
      <OperatorField place={place} operators={operators} />
      {operator !== "is_null" && operator !== "is_not_null" && (
        <Field
          place={place}
          name={[many ? "values" : "value"]}
          label={t("segment.value")}
          width={180}
          required
        >
          {many && ORDERED.has(fact) ? (
            <Select mode="tags" open={false} suffixIcon={null} />
          ) : fact === "customer_since" ? (
            <DatePicker style={{ width: "100%" }} />
          ) : ORDERED.has(fact) ? (
            <InputNumber min={0} precision={0} style={{ width: "100%" }} />
          ) : (
            <Select mode="multiple" showSearch={{ optionFilterProp: "label" }} options={choices ?? units} />
          )}
        </Field>
      )}
    </>
  );
}

function ConditionFields({ place, onRemove }: { place: Place; onRemove: (() => void) | null }) {
  const { t } = useTranslation();
  const form = Form.useFormInstance();
  const condition = Form.useWatch<Condition | undefined>(place.inForm);
  const fact = condition?.fact ?? "product";
  return (
    <Flex gap={8} align="flex-start" wrap className="condition">
      <Field place={place} name={["fact"]} label={t("builder.fact")} width={140} required>
        <Select
          options={FACTS.map((value) => ({ value, label: t(`fact.${value}`) }))}
          onChange={(chosen: Fact) => form.setFieldValue(place.inForm, blank(chosen))}
        />
      </Field>
      {fact === "product" ? (
        <HoldingCondition place={place} />
      ) : fact === "balance" || fact === "transaction" ? (
        <WindowCondition place={place} fact={fact} />
      ) : (
        <AttributeCondition key={fact} place={place} fact={fact} />
      )}
      {onRemove && (
        <Button
          icon={<DeleteOutlined />}
          aria-label={t("builder.remove")}
          onClick={onRemove}
          style={{ marginTop: 30 }}
        />
      )}
    </Flex>
  );
}

function GroupFields({
  place,
  depth,
  onRemove,
}: {
  place: Place;
  depth: number;
  onRemove: (() => void) | null;
}) {
  const { t } = useTranslation();
  const form = Form.useFormInstance();
  return (
    <Card
      size="small"
      type={depth > 0 ? "inner" : undefined}
      title={
        <Form.Item name={[...place.inList, "join"]} noStyle>
          <Radio.Group
            aria-label={t("builder.join")}
            optionType="button"
            size="small"
            options={(["and", "or", "not"] as const).map((value) => ({ value, label: t(`rule.${value}`) }))}
          />
        </Form.Item>
      }
      extra={
        onRemove && (
          <Button
            size="small"
            icon={<DeleteOutlined />}
            aria-label={t("builder.remove")}
            onClick={onRemove}
          />
        )
      }
    >
      <Form.List name={[...place.inList, "rules"]}>
        {(entries, { add, remove }) => (
          <Flex vertical gap={8}>
            {entries.map((entry) => {
              // Within a list, names count from the list; values are watched by their place in the whole form.
              const inside = { inList: [entry.name], inForm: [...place.inForm, "rules", entry.name] };
              const part = form.getFieldValue(inside.inForm) as Part | undefined;
              const removal = entries.length > 1 ? () => remove(entry.name) : null;
              return part !== undefined && isGroup(part) ? (
                <GroupFields key={entry.key} place={inside} depth={depth + 1} onRemove={removal} />
              ) : (
                <ConditionFields key={entry.key} place={inside} onRemove={removal} />
              );
            })}
            <Flex gap={8} wrap>
              <Button size="small" icon={<PlusOutlined />} onClick={() => add(blank("balance"))}>
                {t("builder.addCondition")}
              </Button>
              {depth < DEEPEST && (
                <Button
                  size="small"
                  icon={<PlusOutlined />}
                  onClick={() => add({ join: "or", rules: [blank("product")] } satisfies Group)}
                >
                  {t("builder.addGroup")}
                </Button>
              )}
            </Flex>
          </Flex>
        )}
      </Form.List>
    </Card>
  );
}

/** The rule of a segment as fields of a form, each named so that an error of the service stands at it. */
export function RuleEditor({ name }: { name: string }) {
  return <GroupFields place={below({ inList: [], inForm: [] }, name)} depth={0} onRemove={null} />;
}
