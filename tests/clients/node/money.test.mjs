// Costs, usage, spend limits and spend alerts, by the official Node SDK.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import OpenAI from "openai";

import { ADMIN_KEY, API_KEY, serve } from "./kijun.mjs";

let kijun;
let client;
let organization;

before(async () => {
  kijun = await serve();
  client = new OpenAI({
    apiKey: API_KEY,
    adminAPIKey: ADMIN_KEY,
    baseURL: kijun.baseURL,
    maxRetries: 0,
    timeout: 30_000,
  });
  organization = client.admin.organization;
});
after(() => kijun?.stop());

const DAY = 86_400;
const today = () => Math.floor(Date.now() / 1000 / DAY) * DAY;
const monthly = { currency: "USD", interval: "month" };

test("a call is in the usage and in the costs", async () => {
  const messages = [{ role: "user", content: "sim: tokens 5" }];
  const { usage } = await client.chat.completions.create({ model: "scripted", messages });
  const question = { start_time: today(), group_by: ["model", "service_tier"] };
  const page = await organization.usage.completions(question);
  const [result] = page.data.flatMap((bucket) => bucket.results);
  assert.equal(result.model, "scripted");
  assert.equal(result.service_tier, "default");
  assert.equal(result.num_model_requests, 1);
  assert.equal(result.input_tokens, usage.prompt_tokens);
  assert.equal(result.output_tokens, 5);
  const costs = await organization.usage.costs({ start_time: today(), group_by: ["line_item"] });
  const [cost] = costs.data.flatMap((bucket) => bucket.results);
  assert.equal(cost.line_item, "scripted, chat_completions");
  assert.equal(cost.amount.currency, "usd");
  const images = await organization.usage.images({ start_time: today() });
  assert.deepEqual(images.data.flatMap((bucket) => bucket.results), []);
});

test("a project has a spend limit", async () => {
  const { id } = await organization.projects.create({ name: "money" });
  const limits = organization.projects.spendLimit;
  await assert.rejects(limits.retrieve(id), OpenAI.NotFoundError);
  const limit = await limits.update(id, { ...monthly, threshold_amount: 5_000 });
  assert.equal(limit.object, "project.spend_limit");
  assert.equal(limit.enforcement.status, "inactive");
  assert.equal((await limits.retrieve(id)).threshold_amount, 5_000);
  assert.equal((await limits.delete(id)).deleted, true);
});

test("spend alerts come in pages", async () => {
  const channel = { type: "email", recipients: ["a@example.com"], subject_prefix: null };
  const wish = { ...monthly, notification_channel: channel };
  const made = [];
  for (const threshold_amount of [100, 200, 300]) {
    made.push(await organization.spendAlerts.create({ ...wish, threshold_amount }));
  }
  const listed = [];
  for await (const alert of organization.spendAlerts.list({ limit: 2 })) listed.push(alert);
  assert.deepEqual(listed, made);
  const changed = await organization.spendAlerts.update(made[0].id, { ...wish, threshold_amount: 1 });
  assert.equal(changed.threshold_amount, 1);
  for (const { id } of made) assert.equal((await organization.spendAlerts.delete(id)).deleted, true);
  await assert.rejects(organization.spendAlerts.retrieve(made[0].id), OpenAI.NotFoundError);
});
