// The official Node SDK against `kijun-sim`.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import OpenAI from "openai";
import { zodResponseFormat } from "openai/helpers/zod";
import { z } from "zod";

import { API_KEY, serve } from "./kijun.mjs";

const MODEL = "scripted";
// Has a target of its own, so that no breaker opens for the others.
const FAILING = "failing";
const ask = (...lines) => [{ role: "user", content: lines.join("\n") }];

let kijun;
let client;

before(async () => {
  kijun = await serve();
  client = new OpenAI({ apiKey: API_KEY, baseURL: kijun.baseURL, maxRetries: 0, timeout: 30_000 });
});
after(() => kijun?.stop());

const chat = (more, ...lines) =>
  client.chat.completions.create({ model: MODEL, messages: ask(...lines), ...more });

test("models are listed and retrieved", async () => {
  const ids = [];
  for await (const model of client.models.list()) ids.push(model.id);
  assert.ok(ids.includes(MODEL));
  assert.equal((await client.models.retrieve(MODEL)).id, MODEL);
});

test("an answer is what was scripted", async () => {
  const answer = await chat({}, 'sim: say "Grüße, 世界 🌍"');
  assert.equal(answer.choices[0].message.content, "Grüße, 世界 🌍");
  assert.equal(answer.choices[0].finish_reason, "stop");
  assert.match(answer._request_id, /^req_/);
  assert.equal(
    answer.usage.total_tokens,
    answer.usage.prompt_tokens + answer.usage.completion_tokens,
  );
});

test("a stream's pieces make the answer, and its usage comes when asked for", async () => {
  const stream = await chat(
    { stream: true, stream_options: { include_usage: true } },
    'sim: say "one two three 世界"',
  );
  let text = "";
  let last;
  for await (const chunk of stream) {
    text += chunk.choices[0]?.delta.content ?? "";
    last = chunk;
  }
  assert.equal(text, "one two three 世界");
  assert.ok(last.usage.completion_tokens > 0);
});

test("usage stays hidden unless asked for", async () => {
  for await (const chunk of await chat({ stream: true }, 'sim: say "hi"')) {
    assert.equal(chunk.usage ?? null, null);
    assert.equal(chunk.choices.length, 1);
  }
});

test("a stream that is left early leaves the node well", async () => {
  const stream = await chat({ stream: true }, "sim: tokens 100000", "sim: pace 10ms");
  for await (const _ of stream) break;
  assert.equal((await chat({}, 'sim: say "still here"')).choices[0].message.content, "still here");
});

test("reasoning comes under both names", async () => {
  const { message } = (await chat({}, 'sim: reason "because"', 'sim: say "so"')).choices[0];
  assert.deepEqual(
    [message.content, message.reasoning, message.reasoning_content],
    ["so", "because", "because"],
  );
});

test("a tool runs and its result reaches the model", async () => {
  const seen = [];
  const runner = client.chat.completions.runTools({
    model: MODEL,
    messages: ask('sim: tool weather {"city": "京都"}'),
    tools: [
      {
        type: "function",
        function: {
          name: "weather",
          description: "The weather of a city.",
          parameters: { type: "object", properties: { city: { type: "string" } } },
          parse: JSON.parse,
          function: ({ city }) => {
            seen.push(city);
            return "21 degrees";
          },
        },
      },
    ],
  });
  assert.match(await runner.finalContent(), /21 degrees/);
  assert.deepEqual(seen, ["京都"]);
});

test("an answer is parsed by its schema", async () => {
  const Order = z.object({
    items: z.array(z.object({ name: z.string(), count: z.number().int() })).min(1),
    kind: z.enum(["small", "large"]),
    note: z.string().nullable(),
  });
  const answer = await client.chat.completions.parse({
    model: MODEL,
    messages: ask("An order, please."),
    response_format: zodResponseFormat(Order, "order"),
  });
  assert.ok(Order.safeParse(answer.choices[0].message.parsed).success);
});

test("embeddings, which this SDK asks for in base64, are vectors of length one", async () => {
  const answer = await client.embeddings.create({
    model: "scripted-embedding",
    input: ["a", "b"],
    dimensions: 64,
  });
  for (const { embedding } of answer.data) {
    assert.equal(embedding.length, 64);
    assert.ok(Math.abs(Math.hypot(...embedding) - 1) < 1e-3);
  }
});

test("legacy completions", async () => {
  const answer = await client.completions.create({ model: MODEL, prompt: 'sim: say "as of old"' });
  assert.match(answer.choices[0].text, /as of old/);
});

test("moderations", async () => {
  const answer = await client.moderations.create({
    model: "scripted-moderation",
    input: "sim: flag harassment",
  });
  assert.equal(answer.results[0].flagged, true);
  assert.equal(answer.results[0].categories.harassment, true);
});

test("errors are the SDK's own", async () => {
  await assert.rejects(chat({ model: "no-such-model" }, "Hello"), (error) => {
    assert.ok(error instanceof OpenAI.NotFoundError);
    assert.equal(error.code, "model_not_found");
    return true;
  });
  await assert.rejects(
    client.withOptions({ apiKey: "sk-no-such-key-0123456789" }).models.list(),
    OpenAI.AuthenticationError,
  );
  await assert.rejects(chat({ model: FAILING }, "sim: fail 429 retry-after=7"), (error) => {
    assert.ok(error instanceof OpenAI.RateLimitError);
    assert.equal(error.headers.get("retry-after"), "7");
    return true;
  });
  await assert.rejects(chat({ top_logprobs: 3 }, "Hello"), OpenAI.BadRequestError);
});

test("what fails once is tried again before the client hears of it", async () => {
  const answer = await chat({ model: FAILING }, "sim: fail 503 times=1", 'sim: say "at last"');
  assert.equal(answer.choices[0].message.content, "at last");
});

test("a conversation holds its items", async () => {
  const { id } = await client.conversations.create({ metadata: { topic: "demo" } });
  const items = ["one", "two", "three"].map((content) => ({ role: "user", content }));
  await client.conversations.items.create(id, { items });
  const texts = [];
  for await (const item of client.conversations.items.list(id, { order: "asc", limit: 2 })) {
    texts.push(item.content[0].text);
  }
  assert.deepEqual(texts, ["one", "two", "three"]);
  assert.equal((await client.conversations.delete(id)).deleted, true);
  await assert.rejects(client.conversations.retrieve(id), OpenAI.NotFoundError);
});

test("a streamed answer is stored under the id of its chunks", async () => {
  let id;
  const stream = await chat({ stream: true, store: true, metadata: { a: "b" } }, 'sim: say "kept"');
  for await (const chunk of stream) id = chunk.id;
  const found = await client.chat.completions.retrieve(id);
  assert.equal(found.choices[0].message.content, "kept");
  assert.deepEqual(found.metadata, { a: "b" });
  const ids = [];
  for await (const { id } of client.chat.completions.list({ metadata: { a: "b" } })) ids.push(id);
  assert.ok(ids.includes(id));
  const messages = await client.chat.completions.messages.list(id);
  assert.equal(messages.data[0].content, 'sim: say "kept"');
  assert.equal((await client.chat.completions.delete(id)).deleted, true);
});
