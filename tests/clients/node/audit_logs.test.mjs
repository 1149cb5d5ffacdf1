// The audit log, read by the official Node SDK.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import OpenAI from "openai";

import { ADMIN_KEY, API_KEY, serve } from "./kijun.mjs";

let kijun;
let organization;

before(async () => {
  kijun = await serve();
  const client = new OpenAI({
    apiKey: API_KEY,
    adminAPIKey: ADMIN_KEY,
    baseURL: kijun.baseURL,
    maxRetries: 0,
    timeout: 30_000,
  });
  organization = client.admin.organization;
});
after(() => kijun?.stop());

const listed = async (query) => {
  const logs = [];
  for await (const log of organization.auditLogs.list(query)) logs.push(log);
  return logs;
};

test("what was changed is listed, the newest first", async () => {
  const project = await organization.projects.create({ name: "before" });
  await organization.projects.update(project.id, { name: "after" });
  const [updated, created] = await listed({ resource_ids: [project.id], limit: 1 });
  assert.equal(updated.type, "project.updated");
  assert.equal(updated["project.updated"].changes_requested.title, "after");
  assert.equal(created["project.created"].data.title, "before");
  assert.equal(created.actor.type, "api_key");
  const filter = { project_ids: [project.id], event_types: ["project.created"] };
  assert.deepEqual((await listed(filter)).map((log) => log.id), [created.id]);
  const future = { gt: updated.effective_at + 60 };
  assert.deepEqual(await listed({ project_ids: [project.id], effective_at: future }), []);
});
