/** Whoever has operations routes. */
export const SERVICES = ["customer", "segmentation", "complaints", "campaigns", "gateway"] as const;
export type Service = (typeof SERVICES)[number];

/** The path of an operations route. All services have the same: the types of one stand for all. */
export function operationsPath<Rest extends string>(service: Service, rest: Rest) {
  return `/api/v1/operations/${service}/${rest}` as `/api/v1/operations/customer/${Rest}`;
}
