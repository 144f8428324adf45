import { useQuery } from "@tanstack/react-query";
import { api, bodyOf } from "../../api/client";
import { currentLanguage } from "../../i18n";

function useCategories() {
  return useQuery({
    queryKey: ["complaint-categories"],
    staleTime: Number.POSITIVE_INFINITY,
    queryFn: async ({ signal }) => bodyOf(await api.GET("/api/v1/complaint-categories", { signal })).items,
  });
}

/** The title of a complaint category in the reader's language; its code until the titles are there. */
export function useCategoryTitle(): (code: string) => string {
  const categories = useCategories();
  return (code) =>
    categories.data?.find((category) => category.code === code)?.title[currentLanguage()] ?? code;
}

/** The categories to choose from, in the reader's language. */
export function useCategoryOptions(): { value: string; label: string }[] {
  const categories = useCategories();
  return (categories.data ?? []).map((category) => ({
    value: category.code,
    label: category.title[currentLanguage()],
  }));
}
