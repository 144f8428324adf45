import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";

// The gateway writes a fresh nonce over this placeholder each time it serves index.html.
const NONCE = "__CSP_NONCE__";

export default defineConfig({
  plugins: [react()],
  html: { cspNonce: NONCE },
  build: {
    outDir: "dist",
    sourcemap: false,
    chunkSizeWarningLimit: 700,
    rolldownOptions: {
      output: {
        chunkFileNames: ({ name }) => `assets/${name.split("~")[0]}-[hash].js`,
        codeSplitting: {
          groups: [
            // What every page needs changes seldom: browsers keep it over many versions of the console.
            { name: "framework", test: /node_modules/, tags: ["$initial"] },
            // The rest of the packages by who needs them, small parts joined so that no page asks for many files.
            { name: "parts", test: /node_modules/, entriesAware: true, entriesAwareMergeThreshold: 100_000 },
          ],
        },
      },
    },
  },
  server: {
    port: 5173,
    proxy: Object.fromEntries(
      ["/api", "/auth", "/oauth2", "/.well-known"].map((path) => [path, "http://127.0.0.1:8080"]),
    ),
  },
  test: {
    environment: "jsdom",
    setupFiles: ["./src/test-setup.ts"],
    include: ["src/**/*.test.{ts,tsx}"],
    // A window of antd takes its time on a machine that has much to do.
    testTimeout: 20_000,
  },
});
