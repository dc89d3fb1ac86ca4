// node build.mjs [OUTPUT]: makes a component of tools.js that asks for nothing outside.
import { writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { componentize } from "@bytecodealliance/componentize-js";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const { component } = await componentize({
  sourcePath: here("tools.js"),
  witPath: here("../wit"),
  worldName: "tools",
  disableFeatures: ["stdio", "random", "clocks", "http", "fetch-event"],
});
await writeFile(process.argv[2] ?? "text.wasm", component);
