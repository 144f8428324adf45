import type { paths } from "./schema";

type Method = "get" | "post" | "patch";
type Json<Answer> = Answer extends { content: { "application/json": infer Body } } ? Body : never;

/** The body of a successful answer of a route, named by its path and method. */
export type Answer<Path extends keyof paths, M extends Method = "get"> = paths[Path][M] extends {
  responses: infer Responses;
}
  ? Json<Responses[keyof Responses & (200 | 201)]>
  : never;

/** One row of a route that answers a list. */
export type Item<Path extends keyof paths> = Answer<Path> extends { items: (infer Row)[] } ? Row : never;
