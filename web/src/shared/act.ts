import { useMutation, useQueryClient } from "@tanstack/react-query";
import { App } from "antd";
import { useTranslation } from "react-i18next";
import { problemOf } from "../api/problem";

/** A write: what it changes is read anew after it, and a refusal is told in the service's own words. */
export function useAct<Input>(run: (input: Input) => Promise<unknown>, changes: readonly string[]) {
  const queries = useQueryClient();
  const { message } = App.useApp();
  const { t } = useTranslation();
  return useMutation({
    mutationFn: run,
    onSuccess: async () => {
      void message.success(t("action.done"));
      await Promise.all(changes.map((key) => queries.invalidateQueries({ queryKey: [key] })));
    },
    onError: (error) => {
      const problem = problemOf(error);
      void message.error(problem.detail || problem.title || t("problem.offline"));
    },
  });
}
