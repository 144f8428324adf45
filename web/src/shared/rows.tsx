import { Empty, Flex } from "antd";
import { Children, type ReactNode } from "react";

/** A short list within a card; without entries it says what that means. */
export function Rows({ empty, children }: { empty: string; children: ReactNode }) {
  return Children.count(children) === 0 ? (
    <Empty image={Empty.PRESENTED_IMAGE_SIMPLE} description={empty} />
  ) : (
    <Flex vertical gap={10}>
      {children}
    </Flex>
  );
}
