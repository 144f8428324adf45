import { useInfiniteQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { Flex, Input, Segmented, Select, type TableColumnsType, Tag } from "antd";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { api, bodyOf } from "../../api/client";
import type { Item } from "../../api/types";
import { useSession } from "../../app/session";
import { Listing, nextCursor } from "../../shared/listing";
import { useUnitName } from "../../shared/organization";
import { Page } from "../../shared/page";
import { useStoredState } from "../../shared/stored-state";
import { FIRST_FILTERS, type Filters } from "./filters";

type Customer = Item<"/api/v1/customers">;
type Kind = Customer["kind"];

const KINDS: readonly Kind[] = ["individual", "sole_proprietor", "company", "institution"];

function useCustomers(filters: Filters) {
  return useInfiniteQuery({
    queryKey: ["customers", filters],
    initialPageParam: undefined as string | undefined,
    queryFn: async ({ pageParam, signal }) =>
      bodyOf(
        await api.GET("/api/v1/customers", {
          params: {
            query: {
              q: filters.q || undefined,
              kind: filters.kind ?? undefined,
              mine: filters.mine || undefined,
              cursor: pageParam,
            },
          },
          signal,
        }),
      ),
    getNextPageParam: nextCursor,
  });
}

function useColumns(): TableColumnsType<Customer> {
  const { t } = useTranslation();
  const unitName = useUnitName();
  return [
    {
      title: t("customer.number"),
      dataIndex: "customer_number",
      render: (number: string, row) => (
        <Link to="/customers/$customerId" params={{ customerId: row.id }}>
          {number}
        </Link>
      ),
    },
    { title: t("customer.name"), dataIndex: "name" },
    { title: t("customer.kind"), dataIndex: "kind", render: (kind: Kind) => t(`kind.${kind}`) },
    {
      title: t("customer.status"),
      dataIndex: "status",
      render: (status: string) => (
        <Tag color={status === "active" ? "green" : "default"}>{t(`customerStatus.${status}`)}</Tag>
      ),
    },
    { title: t("customer.unit"), dataIndex: "unit_id", render: unitName },
    { title: t("customer.since"), dataIndex: "customer_since" },
  ];
}

/** My customers: the relationship manager's book, searched by name, pinyin, initials or number. */
export function CustomersPage() {
  const { t } = useTranslation();
  const hasBook = useSession().staff_id !== null;
  const [filters, setFilters] = useStoredState<Filters>("customers.filters", FIRST_FILTERS);
  const [typed, setTyped] = useState(filters.q);
  const pages = useCustomers(filters);
  return (
    <Page title={t("rooms.customers")} subtitle={t("customer.subtitle")}>
      <Flex gap={12} wrap>
        <Input.Search
          allowClear
          aria-label={t("customer.search")}
          placeholder={t("customer.search")}
          value={typed}
          onChange={(event) => setTyped(event.target.value)}
          onSearch={(q) => setFilters({ ...filters, q: q.trim() })}
          style={{ maxWidth: 360 }}
        />
        <Select<Kind | "all">
          aria-label={t("customer.kind")}
          value={filters.kind ?? "all"}
          style={{ minWidth: 160 }}
          options={[
            { value: "all", label: t("customer.allKinds") },
            ...KINDS.map((kind) => ({ value: kind, label: t(`kind.${kind}`) })),
          ]}
          onChange={(kind) => setFilters({ ...filters, kind: kind === "all" ? null : kind })}
        />
        {hasBook && (
          <Segmented<"all" | "mine">
            aria-label={t("customer.whose")}
            value={filters.mine ? "mine" : "all"}
            options={[
              { value: "mine", label: t("customer.mine") },
              { value: "all", label: t("customer.inReach") },
            ]}
            onChange={(whose) => setFilters({ ...filters, mine: whose === "mine" })}
          />
        )}
      </Flex>
      <Listing
        pages={pages}
        columns={useColumns()}
        rowKey="id"
        label={t("rooms.customers")}
        empty={t("customer.none")}
      />
    </Page>
  );
}
