import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { brotliCompressSync, gzipSync } from "node:zlib";
import tailwindcss from "@tailwindcss/vite";
import react from "@vitejs/plugin-react";
import type { Plugin } from "vite";
import { defineConfig } from "vitest/config";

const OUT = "../burnish/dashboard/dist";
// The development server asks with this key instead of a session: see README.md.
const KEY = process.env.VITE_BURNISH_API_KEY;
const API = process.env.BURNISH_API ?? "http://127.0.0.1:8400";
// Websockets are refused to pages of another origin, which the development server's are.
const headers = { origin: API, ...(KEY ? { authorization: `Bearer ${KEY}` } : {}) };
// Replaced by the server in each answer: styles that libraries add while the page runs carry it.
const NONCE = "{{nonce}}";

/** Writes each text file a second and third time, compressed, so that the server never compresses. */
function precompressed(): Plugin {
  return {
    name: "precompressed",
    apply: "build",
    closeBundle() {
      for (const name of readdirSync(OUT, { recursive: true, encoding: "utf8" })) {
        if (!/\.(js|css|svg)$/.test(name)) continue;
        const path = join(OUT, name);
        const content = readFileSync(path);
        writeFileSync(`${path}.gz`, gzipSync(content, { level: 9 }));
        writeFileSync(`${path}.br`, brotliCompressSync(content));
      }
    },
  };
}

export default defineConfig(({ command }) => ({
  plugins: [react(), tailwindcss(), precompressed()],
  resolve: { tsconfigPaths: true },
  html: command === "build" ? { cspNonce: NONCE } : {},
  build: {
    outDir: OUT,
    emptyOutDir: true,
    target: "es2023",
    sourcemap: false,
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
  server: {
    strictPort: true,
    // The examples are read where they are: what the dashboard offers as a sample is the very file.
    fs: { allow: [".", "../examples"] },
    proxy: {
      "/graphql": { target: API, ws: true, changeOrigin: true, headers },
      "/v1": { target: API, changeOrigin: true, headers },
      "/uploads": { target: API, changeOrigin: true, headers },
    },
  },
  test: { environment: "jsdom", include: ["src/**/*.test.{ts,tsx}"], restoreMocks: true },
}));
