import { useInfiniteQuery } from "@tanstack/react-query";
import { Button, Card, Empty, Flex, Timeline, Typography } from "antd";
import { useTranslation } from "react-i18next";
import { api, bodyOf } from "../../api/client";
import { formatInstant } from "../../shared/format";
import { nextCursor } from "../../shared/listing";
import { ProblemAlert } from "../../shared/problem-alert";
import { entryDetails } from "./entry-details";
import { RecordContact } from "./record-contact";

/** Everything that happened with the customer, over all services, the newest first. */
export function CustomerTimeline({ customerId }: { customerId: string }) {
  const { t } = useTranslation();
  const pages = useInfiniteQuery({
    queryKey: ["timeline", customerId],
    initialPageParam: undefined as string | undefined,
    queryFn: async ({ pageParam, signal }) =>
      bodyOf(
        await api.GET("/api/v1/customers/{customer_id}/timeline", {
          params: { path: { customer_id: customerId }, query: { cursor: pageParam } },
          signal,
        }),
      ),
    getNextPageParam: nextCursor,
  });
  const entries = pages.data?.pages.flatMap((page) => page.items) ?? [];
  return (
    <Card loading={pages.isPending}>
      <Flex vertical gap={12}>
        <Flex>
          <RecordContact customerId={customerId} />
        </Flex>
        {pages.error && <ProblemAlert error={pages.error} onRetry={() => void pages.refetch()} />}
        {!pages.error && entries.length === 0 && <Empty description={t("timeline.none")} />}
        <Timeline
          items={entries.map((entry) => ({
            key: entry.entry_id,
            content: (
              <Flex vertical>
                <Typography.Text>
                  {t(`entry.${entry.type}`)}
                  {entry.channel && ` · ${t(`channel.${entry.channel}`)}`}
                </Typography.Text>
                <Typography.Text type="secondary">
                  {formatInstant(entry.occurred_at)} {entryDetails(entry.attributes, t)}
                </Typography.Text>
                {entry.note && <Typography.Text>{entry.note}</Typography.Text>}
              </Flex>
            ),
          }))}
        />
        {pages.hasNextPage && (
          <Flex justify="center">
            <Button loading={pages.isFetchingNextPage} onClick={() => void pages.fetchNextPage()}>
              {t("list.more")}
            </Button>
          </Flex>
        )}
      </Flex>
    </Card>
  );
}
