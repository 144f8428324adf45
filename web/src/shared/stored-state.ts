import { useState } from "react";

function read<Value>(key: string, initial: Value): Value {
  try {
    const stored = window.sessionStorage.getItem(key);
    return stored === null ? initial : { ...initial, ...(JSON.parse(stored) as Value) };
  } catch {
    return initial;
  }
}

/** State that outlives a reload of the page: filters and drafts, kept in this tab and never on the server. */
export function useStoredState<Value extends object>(
  name: string,
  initial: Value,
): [Value, (value: Value) => void] {
  const key = `kehu.${name}`;
  const [value, setValue] = useState(() => read(key, initial));
  return [
    value,
    (next) => {
      window.sessionStorage.setItem(key, JSON.stringify(next));
      setValue(next);
    },
  ];
}
