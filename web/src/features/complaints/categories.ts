import { useQuery } from "@tanstack/react-query";
import { api, bodyOf } from "../../api/client";
import { currentLanguage } from "../../i18n";

/** The title of a complaint category in the reader's language; its code until the titles are there. */
export function useCategoryTitle(): (code: string) => string {
  const categories = useQuery({
    queryKey: ["complaint-categories"],
    staleTime: Number.POSITIVE_INFINITY,
    queryFn: async ({ signal }) => bodyOf(await api.GET("/api/v1/complaint-categories", { signal })),
  });
  return (code) =>
    categories.data?.items.find((category) => category.code === code)?.title[currentLanguage()] ?? code;
}
