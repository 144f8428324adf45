import { FilterOutlined, SearchOutlined } from "@ant-design/icons";
import { useInfiniteQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import {
  Button,
  Card,
  Col,
  DatePicker,
  Flex,
  Form,
  Input,
  Row,
  Select,
  Space,
  type TableColumnsType,
  Tag,
  Tooltip,
  Typography,
} from "antd";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { api, bodyOf } from "../../api/client";
import type { Item } from "../../api/types";
import { Facts } from "../../shared/facts";
import { formatMoment } from "../../shared/format";
import { Listing, nextCursor } from "../../shared/listing";
import { useColleagueNames } from "../../shared/organization";
import { Page } from "../../shared/page";
import { actionKey, actionsOf, queryOf, thingsOf, type Wanted } from "./audit-query";
import { operationsPath, SERVICES, type Service } from "./services";

type AuditRow = Item<"/api/v1/operations/customer/audit">;

const FIRST: Wanted = { service: "customer", thingType: "customer" };

/** Every read of the audit is audited: so it is read when somebody asks, and never again by itself. */
function useAudit(asked: { wanted: Wanted; times: number }) {
  const { service } = asked.wanted;
  const query = queryOf(asked.wanted);
  return useInfiniteQuery({
    queryKey: ["audit", service, query, asked.times],
    initialPageParam: undefined as string | undefined,
    staleTime: Number.POSITIVE_INFINITY,
    gcTime: 0,
    queryFn: async ({ pageParam, signal }) =>
      bodyOf(
        await api.GET(operationsPath(service, "audit"), {
          params: { query: { ...query, cursor: pageParam } },
          signal,
        }),
      ),
    getNextPageParam: nextCursor,
  });
}

function Thing({ row }: { row: AuditRow }) {
  const { t } = useTranslation();
  const id = row.resource_id;
  const text = `${t(`thing.${row.resource_type}`, { defaultValue: row.resource_type })} ${id.slice(-12)}`;
  switch (row.resource_type) {
    case "customer":
      return (
        <Link to="/customers/$customerId" params={{ customerId: id }}>
          {text}
        </Link>
      );
    case "complaint":
      return (
        <Link to="/complaints/$complaintId" params={{ complaintId: id }}>
          {text}
        </Link>
      );
    case "segment":
      return (
        <Link to="/segments/$segmentId" params={{ segmentId: id }}>
          {text}
        </Link>
      );
    case "campaign":
      return (
        <Link to="/campaigns/$campaignId" params={{ campaignId: id }}>
          {text}
        </Link>
      );
    default:
      return text;
  }
}

function Only({ label, onClick }: { label: string; onClick: () => void }) {
  return (
    <Tooltip title={label}>
      <Button type="text" size="small" aria-label={label} icon={<FilterOutlined />} onClick={onClick} />
    </Tooltip>
  );
}

function useColumns(
  rows: readonly AuditRow[],
  narrow: (wanted: Partial<Wanted>) => void,
): TableColumnsType<AuditRow> {
  const { t } = useTranslation();
  const nameOf = useColleagueNames(rows.map((row) => row.staff_id));
  return [
    { title: t("audit.at"), dataIndex: "at", render: formatMoment },
    {
      title: t("audit.who"),
      dataIndex: "actor",
      render: (actor: string, row) => {
        const name = nameOf(row.staff_id);
        return (
          <Flex align="center" gap={4}>
            {name === "–" ? actor : `${name} · ${actor}`}
            <Only label={t("audit.onlyWho")} onClick={() => narrow({ who: actor })} />
          </Flex>
        );
      },
    },
    {
      title: t("audit.what"),
      dataIndex: "action",
      render: (action: string) => t(actionKey(action), { defaultValue: action }),
    },
    {
      title: t("audit.thing"),
      key: "thing",
      render: (_, row) => (
        <Flex align="center" gap={4}>
          <Thing row={row} />
          <Only
            label={t("audit.onlyThing")}
            onClick={() => narrow({ thingType: row.resource_type, thingId: row.resource_id })}
          />
        </Flex>
      ),
    },
    {
      title: t("audit.sealed"),
      dataIndex: "chain_position",
      render: (position: number | null) =>
        position === null ? (
          <Tag>{t("audit.notSealed")}</Tag>
        ) : (
          <Tag color="green">{t("audit.isSealed")}</Tag>
        ),
    },
    {
      title: t("audit.reason"),
      dataIndex: "reason",
      // A reason is a sentence: it may take several lines, and none of the others' room.
      render: (reason: string | null) => (
        <div style={{ minWidth: 160, whiteSpace: "normal" }}>{reason ?? "–"}</div>
      ),
    },
  ];
}

function MoreOf({ row }: { row: AuditRow }) {
  const { t } = useTranslation();
  return (
    <Facts
      items={[
        [t("audit.thingId"), row.resource_id],
        [
          t("audit.details"),
          <Typography.Text key="details" code style={{ whiteSpace: "pre-wrap", wordBreak: "break-word" }}>
            {JSON.stringify(row.details)}
          </Typography.Text>,
        ],
        [t("audit.recordedAt"), formatMoment(row.recorded_at)],
        [t("audit.place"), row.chain_position],
        [t("audit.trace"), row.trace_id || null],
      ]}
    />
  );
}

function ServiceField({ onChange }: { onChange: (service: Service) => void }) {
  const { t } = useTranslation();
  return (
    <Form.Item name="service" label={t("operations.service")}>
      <Select<Service>
        options={SERVICES.map((name) => ({ value: name, label: t(`serviceName.${name}`) }))}
        onChange={onChange}
      />
    </Form.Item>
  );
}

function ThingField({ service }: { service: Service }) {
  const { t } = useTranslation();
  const types = thingsOf(service);
  return (
    <Form.Item label={t("audit.thing")} htmlFor="thingId">
      <Space.Compact block>
        <Form.Item name="thingType" noStyle>
          <Select
            aria-label={t("audit.thingType")}
            style={{ width: "45%" }}
            popupMatchSelectWidth={false}
            options={types.map((type) => ({ value: type, label: t(`thing.${type}`) }))}
          />
        </Form.Item>
        <Form.Item name="thingId" noStyle>
          <Input allowClear maxLength={200} placeholder={t("audit.thingId")} />
        </Form.Item>
      </Space.Compact>
    </Form.Item>
  );
}

function MomentField({ name }: { name: "from" | "to" }) {
  const { t } = useTranslation();
  return (
    <Form.Item name={name} label={t(`audit.${name}`)}>
      <DatePicker showTime={{ format: "HH:mm" }} format="YYYY-MM-DD HH:mm" style={{ width: "100%" }} />
    </Form.Item>
  );
}

/** Who did what, on what and when: the audit of one service, the newest first. */
export function AuditPage() {
  const { t } = useTranslation();
  const [form] = Form.useForm<Wanted>();
  const service = Form.useWatch("service", form) ?? FIRST.service;
  const [asked, setAsked] = useState({ wanted: FIRST, times: 0 });
  const pages = useAudit(asked);
  const ask = (wanted: Wanted) => setAsked({ wanted, times: asked.times + 1 });
  const narrow = (change: Partial<Wanted>) => {
    // What the form holds besides may not have been asked for: what stands on the page is narrowed.
    const wanted = { ...asked.wanted, ...change };
    form.setFieldsValue(wanted);
    ask(wanted);
  };
  const rows = pages.data?.pages.flatMap((page) => page.items) ?? [];
  return (
    <Page title={t("rooms.audit")} subtitle={t("audit.subtitle")}>
      <Card size="small">
        <Form<Wanted> form={form} layout="vertical" initialValues={FIRST} onFinish={ask}>
          <Row gutter={12} align="bottom">
            <Col xs={24} sm={12} xl={6}>
              <ServiceField
                onChange={(chosen) =>
                  form.setFieldsValue({ what: undefined, thingType: thingsOf(chosen)[0], thingId: undefined })
                }
              />
            </Col>
            <Col xs={24} sm={12} xl={6}>
              <Form.Item name="who" label={t("audit.who")}>
                <Input allowClear maxLength={200} placeholder={t("audit.whoHint")} />
              </Form.Item>
            </Col>
            <Col xs={24} sm={12} xl={6}>
              <Form.Item name="what" label={t("audit.what")}>
                <Select
                  allowClear
                  showSearch={{ optionFilterProp: "label" }}
                  placeholder={t("list.all")}
                  options={actionsOf(service).map((action) => ({
                    value: action,
                    label: t(actionKey(action)),
                  }))}
                />
              </Form.Item>
            </Col>
            <Col xs={24} sm={12} xl={6}>
              <ThingField service={service} />
            </Col>
            <Col xs={12} xl={6}>
              <MomentField name="from" />
            </Col>
            <Col xs={12} xl={6}>
              <MomentField name="to" />
            </Col>
            <Col xs={24} xl={12}>
              <Form.Item>
                <Button type="primary" htmlType="submit" icon={<SearchOutlined />} loading={pages.isFetching}>
                  {t("list.search")}
                </Button>
              </Form.Item>
            </Col>
          </Row>
        </Form>
      </Card>
      <Listing
        pages={pages}
        columns={useColumns(rows, narrow)}
        rowKey="audit_id"
        label={t("rooms.audit")}
        empty={t("audit.none")}
        expanded={(row) => <MoreOf row={row} />}
      />
    </Page>
  );
}
