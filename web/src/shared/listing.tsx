import { Button, Card, Empty, Flex, Table, type TableColumnsType } from "antd";
import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";
import { ProblemAlert } from "./problem-alert";
import { Wide } from "./wide";

/** What `useInfiniteQuery` gives for a list of the API, as far as a listing needs it. */
export interface Pages<Row> {
  data: { pages: { items: Row[]; next_cursor: string | null }[] } | undefined;
  error: unknown;
  isPending: boolean;
  hasNextPage: boolean;
  isFetchingNextPage: boolean;
  fetchNextPage: () => unknown;
  refetch: () => unknown;
}

/** The next page's cursor, in the form that `useInfiniteQuery` wants. */
export function nextCursor(page: { next_cursor: string | null }): string | undefined {
  return page.next_cursor ?? undefined;
}

/** A list that is read page by page: rows, an empty state, a failure with a way to try again. */
export function Listing<Row extends object>({
  pages,
  columns,
  rowKey,
  empty,
  label,
  expanded,
}: {
  pages: Pages<Row>;
  columns: TableColumnsType<Row>;
  rowKey: keyof Row & string;
  empty: string;
  label: string;
  /** What else there is to a row, shown below it on demand. */
  expanded?: (row: Row) => ReactNode;
}) {
  const { t } = useTranslation();
  if (pages.error) {
    return <ProblemAlert error={pages.error} onRetry={() => void pages.refetch()} />;
  }
  const rows = pages.data?.pages.flatMap((page) => page.items) ?? [];
  return (
    <Card styles={{ body: { padding: 0 } }}>
      <Wide label={label}>
        <Table<Row>
          aria-label={label}
          columns={columns}
          dataSource={rows}
          rowKey={rowKey}
          loading={pages.isPending}
          pagination={false}
          size="middle"
          expandable={expanded && { expandedRowRender: expanded }}
          locale={{ emptyText: <Empty description={empty} /> }}
        />
      </Wide>
      {pages.hasNextPage && (
        <Flex justify="center" style={{ padding: 12 }}>
          <Button loading={pages.isFetchingNextPage} onClick={() => void pages.fetchNextPage()}>
            {t("list.more")}
          </Button>
        </Flex>
      )}
    </Card>
  );
}
