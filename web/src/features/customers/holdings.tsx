import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { Empty, Table, type TableColumnsType, Tag } from "antd";
import { useTranslation } from "react-i18next";
import { api, bodyOf } from "../../api/client";
import type { Item } from "../../api/types";
import { formatDate, formatMoney } from "../../shared/format";
import { Listing, nextCursor } from "../../shared/listing";
import { Wide } from "../../shared/wide";

export type Account = Item<"/api/v1/customers/{customer_id}/accounts">;
type Transaction = Item<"/api/v1/customers/{customer_id}/transactions">;

/** What the customer holds; each balance with its business date and the system that stated it. */
export function AccountsTable({ accounts }: { accounts: readonly Account[] }) {
  const { t } = useTranslation();
  const columns: TableColumnsType<Account> = [
    {
      title: t("holding.product"),
      dataIndex: "product_class",
      render: (productClass: string, row) => (
        <>
          {t(`productClass.${productClass}`)} {row.product_code !== productClass && row.product_code}{" "}
          {row.closed_on !== null && <Tag>{t("holding.closed")}</Tag>}
        </>
      ),
    },
    {
      title: t("holding.balance"),
      dataIndex: "balance",
      align: "right",
      render: (_, row) => (
        <span className="number">
          {row.balance
            ? formatMoney(row.balance.amount, row.balance.currency)
            : formatMoney(row.amount, row.currency)}
        </span>
      ),
    },
    { title: t("holding.role"), dataIndex: "holder_role", render: (role: string) => t(`holderRole.${role}`) },
    {
      title: t("holding.businessDate"),
      dataIndex: "balance",
      render: (_, row) => `${row.balance?.business_date ?? "–"} · ${row.balance?.source ?? row.source}`,
    },
    { title: t("holding.openedOn"), dataIndex: "opened_on", render: formatDate },
  ];
  return (
    <Wide label={t("holding.title")}>
      <Table
        aria-label={t("holding.title")}
        size="small"
        rowKey="id"
        pagination={false}
        columns={columns}
        dataSource={[...accounts]}
        locale={{ emptyText: <Empty description={t("holding.none")} /> }}
      />
    </Wide>
  );
}

/** The movements on all of the customer's accounts, the newest first. */
export function TransactionsTable({ customerId }: { customerId: string }) {
  const { t } = useTranslation();
  const pages = useInfiniteQuery({
    queryKey: ["transactions", customerId],
    initialPageParam: undefined as string | undefined,
    queryFn: async ({ pageParam, signal }) =>
      bodyOf(
        await api.GET("/api/v1/customers/{customer_id}/transactions", {
          params: { path: { customer_id: customerId }, query: { cursor: pageParam } },
          signal,
        }),
      ),
    getNextPageParam: nextCursor,
  });
  const product = useProducts(customerId);
  const columns: TableColumnsType<Transaction> = [
    { title: t("holding.businessDate"), dataIndex: "business_date" },
    { title: t("holding.product"), dataIndex: "account_id", render: product },
    {
      title: t("holding.direction"),
      dataIndex: "kind",
      render: (kind: string) => t(`transactionKind.${kind}`),
    },
    {
      title: t("holding.purpose"),
      dataIndex: "purpose_code",
      render: (code: string | null) => code && t(`movement.${code}`, { defaultValue: code }),
    },
    {
      title: t("holding.amount"),
      dataIndex: "amount",
      align: "right",
      render: (amount: string, row) => (
        <span className="number">
          {formatMoney(row.kind === "debit" ? `-${amount}` : amount, row.currency)}
        </span>
      ),
    },
    {
      title: t("holding.balanceAfter"),
      dataIndex: "balance_after",
      align: "right",
      render: (amount: string | null, row) => (
        <span className="number">{formatMoney(amount, row.currency)}</span>
      ),
    },
    { title: t("holding.source"), dataIndex: "source" },
  ];
  return (
    <Listing
      pages={pages}
      columns={columns}
      rowKey="id"
      label={t("holding.transactions")}
      empty={t("holding.noTransactions")}
    />
  );
}

/** The product of each of the customer's accounts, by the account's id. */
function useProducts(customerId: string): (accountId: string) => string {
  const { t } = useTranslation();
  const { data } = useQuery({
    queryKey: ["accounts", customerId],
    queryFn: async ({ signal }) =>
      bodyOf(
        await api.GET("/api/v1/customers/{customer_id}/accounts", {
          params: { path: { customer_id: customerId }, query: { limit: 200 } },
          signal,
        }),
      ),
  });
  const accounts = new Map(data?.items.map((account) => [account.id, account]));
  return (accountId) => {
    const account = accounts.get(accountId);
    return account ? `${t(`productClass.${account.product_class}`)} ${account.product_code}` : "";
  };
}
