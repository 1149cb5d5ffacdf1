// The official Node SDK against the Responses API: the same ground as the Python tests, in short.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import OpenAI from "openai";
import { zodTextFormat } from "openai/helpers/zod";
import { ResponsesWS } from "openai/resources/responses/ws";
import { z } from "zod";

import { API_KEY, serve } from "./kijun.mjs";

const MODEL = "scripted";
const OVER = ["response.completed", "response.failed", "response.incomplete"];
const WEATHER = {
  type: "function",
  name: "get_weather",
  description: "The weather of a city.",
  parameters: {
    type: "object",
    properties: { city: { type: "string" } },
    required: ["city"],
    additionalProperties: false,
  },
  strict: true,
};
const Verdict = z.object({ label: z.string(), certainty: z.number().int() });

let kijun;
let client;

before(async () => {
  kijun = await serve();
  client = new OpenAI({ apiKey: API_KEY, baseURL: kijun.baseURL, maxRetries: 0, timeout: 30_000 });
});
after(() => kijun?.stop());

const respond = (input, more) => client.responses.create({ model: MODEL, input, ...more });

test("an answer is what was scripted, and is kept", async () => {
  const made = await respond('sim: say "Good morning."');
  assert.equal(made.output_text, "Good morning.");
  const kept = await client.responses.retrieve(made.id);
  assert.deepEqual(kept.output, made.output);
  const items = [];
  for await (const item of client.responses.inputItems.list(made.id)) items.push(item);
  assert.equal(items[0].content[0].text, 'sim: say "Good morning."');
  await client.responses.delete(made.id);
  await assert.rejects(client.responses.retrieve(made.id), OpenAI.NotFoundError);
});

test("a chain carries what was said", async () => {
  const first = await respond([{ role: "system", content: "sim: say by the rule" }]);
  const second = await respond("Two", { previous_response_id: first.id });
  assert.equal(second.output_text, "by the rule");
  await assert.rejects(respond("Three", { previous_response_id: "resp_unknown" }), (error) => {
    assert.ok(error instanceof OpenAI.BadRequestError);
    assert.equal(error.code, "previous_response_not_found");
    return true;
  });
});

test("a conversation gathers its responses", async () => {
  const conversation = await client.conversations.create({
    items: [{ role: "system", content: "sim: say by the rule" }],
  });
  const answer = await respond("One", { conversation: conversation.id });
  assert.equal(answer.output_text, "by the rule");
  const roles = [];
  for await (const item of client.conversations.items.list(conversation.id, { order: "asc" })) {
    roles.push(item.role);
  }
  assert.deepEqual(roles, ["system", "user", "assistant"]);
});

test("the result of a tool reaches the model", async () => {
  const first = await respond('sim: tool get_weather {"city": "Rome"}', { tools: [WEATHER] });
  const [call] = first.output;
  assert.deepEqual(JSON.parse(call.arguments), { city: "Rome" });
  const second = await respond(
    [{ type: "function_call_output", call_id: call.call_id, output: "21 degrees" }],
    { tools: [WEATHER], previous_response_id: first.id },
  );
  assert.match(second.output_text, /21 degrees/);
});

test("an answer is parsed into a schema", async () => {
  const response = await client.responses.parse({
    model: MODEL,
    input: "A verdict, please.",
    text: { format: zodTextFormat(Verdict, "verdict") },
  });
  assert.ok(Verdict.safeParse(response.output_parsed).success);
});

test("the stream helper gathers the response", async () => {
  const stream = client.responses.stream({ model: MODEL, input: "sim: reason Hm.\nsim: say Grüße 🌍" });
  const numbers = [];
  for await (const event of stream) numbers.push(event.sequence_number);
  assert.deepEqual(numbers, [...numbers.keys()]);
  assert.equal((await stream.finalResponse()).output_text, "Grüße 🌍");
});

test("a background stream goes on where one left off", async () => {
  const stream = await respond("sim: tokens 30\nsim: pace 10ms", { background: true, stream: true });
  let id;
  for await (const event of stream) {
    id ??= event.response.id;
    if (event.sequence_number === 5) break;
  }
  const rest = await client.responses.retrieve(id, { stream: true, starting_after: 5 });
  const numbers = [];
  let last;
  for await (const event of rest) {
    numbers.push(event.sequence_number);
    last = event;
  }
  assert.equal(numbers[0], 6);
  assert.equal(last.type, "response.completed");
  assert.equal(last.response.usage.output_tokens, 30);
});

test("many turns on one WebSocket", async () => {
  const socket = new ResponsesWS(client);
  try {
    const first = await turn(socket, { input: "sim: say first", store: false });
    assert.equal(first.response.output[0].content[0].text, "first");
    const second = await turn(socket, {
      input: "sim: say second",
      store: false,
      previous_response_id: first.response.id,
    });
    assert.equal(second.response.output[0].content[0].text, "second");
  } finally {
    socket.close();
  }
});

/** Sends a turn and waits for its last event. */
function turn(socket, request) {
  return new Promise((resolve, reject) => {
    const onEvent = (event) => {
      if (!OVER.includes(event.type)) return;
      socket.off("event", onEvent);
      resolve(event);
    };
    socket.on("event", onEvent);
    socket.once("error", reject);
    socket.send({ type: "response.create", model: MODEL, ...request });
  });
}
