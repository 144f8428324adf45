import type { ReactNode } from "react";
import { usePermission } from "../app/session";

/** What only some may use, a link for instance; others see what stands in its place. */
export function Permitted({
  permission,
  otherwise = null,
  children,
}: {
  permission: string;
  otherwise?: ReactNode;
  children: ReactNode;
}) {
  return usePermission(permission) ? children : otherwise;
}
