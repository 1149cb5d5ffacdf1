// A running Kijun: the release binary on a free port of this machine, with a folder of its own.

import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { setTimeout as sleep } from "node:timers/promises";

const REPOSITORY = fileURLToPath(new URL("../../..", import.meta.url));
const START_MS = 60_000;

export const API_KEY = "sk-client-tests-0123456789";
export const ADMIN_KEY = "sk-client-tests-admin-0123456789";
const KEYS = { KIJUN_BOOTSTRAP_API_KEY: API_KEY, KIJUN_BOOTSTRAP_ADMIN_KEY: ADMIN_KEY };

// Aliases of our own, so that nothing depends on what Kijun serves by itself.
const ALIASES = {
  scripted: "kijun-sim",
  failing: "kijun-sim-that-fails",
  "scripted-embedding": "kijun-sim-embedding",
  "scripted-moderation": "kijun-sim-moderation",
};
const CONFIG = `
[discovery]
environment = false
local_servers = false

[[providers]]
name = "scripted"
kind = "sim"
${Object.entries(ALIASES)
  .map(
    ([alias, model]) => `
[[models]]
name = "${alias}"
targets = [{ provider = "scripted", model = "${model}", weight = 1 }]
`,
  )
  .join("")}`;

/** Starts Kijun and returns its address and how to stop it. */
export async function serve() {
  const binary = process.env.KIJUN_BIN || path.join(REPOSITORY, "target/release/kijun");
  if (!existsSync(binary)) {
    throw new Error(`no binary at ${binary}: run \`cargo build --release\`, or set KIJUN_BIN`);
  }
  const folder = await mkdtemp(path.join(tmpdir(), "kijun-node-"));
  const file = path.join(folder, "kijun.toml");
  await writeFile(file, CONFIG);
  const address = `127.0.0.1:${await freePort()}`;
  const child = spawn(
    binary,
    ["serve", "--data-dir", path.join(folder, "data"), "--listen", address, "--config", file],
    { env: { ...process.env, ...KEYS }, stdio: ["ignore", "ignore", "pipe"] },
  );
  let log = "";
  child.stderr.on("data", (data) => (log += data));
  const exited = new Promise((resolve) => child.once("exit", resolve));
  const stop = async () => {
    child.kill("SIGTERM");
    await exited;
    await rm(folder, { recursive: true });
  };
  if (!(await ready(child, `http://${address}/readyz`))) {
    await stop();
    throw new Error(`${binary} did not answer at ${address}:\n${log.slice(-4000)}`);
  }
  return { origin: `http://${address}`, baseURL: `http://${address}/v1`, stop };
}

async function ready(child, url) {
  const deadline = Date.now() + START_MS;
  while (Date.now() < deadline && child.exitCode === null) {
    const answer = await fetch(url).catch(() => undefined);
    if (answer?.ok) return true;
    await sleep(20);
  }
  return false;
}

function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}
