import { defineConfig } from "vite";

// Names without hashes: a build of the same sources has the same files, and the hub answers with ETags.
export default defineConfig({
  oxc: { jsx: { runtime: "automatic" } },
  build: {
    outDir: "../dist",
    emptyOutDir: true,
    target: "es2022",
    modulePreload: false,
    license: { fileName: "assets/licences.md" }, // of what is bundled: each asks that its text goes along
    assetsInlineLimit: 0, // the Content-Security-Policy allows no data: addresses
    rolldownOptions: { output: { entryFileNames: "assets/page.js", chunkFileNames: "assets/[name].js", assetFileNames: "assets/page[extname]" } },
  },
});
