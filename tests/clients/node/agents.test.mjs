// The Agents SDK for JavaScript: tools, hand-offs, streams, sessions and traces, on both APIs.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import {
  Agent,
  BatchTraceProcessor,
  getGlobalTraceProvider,
  OpenAIChatCompletionsModel,
  OpenAIConversationsSession,
  OpenAIResponsesModel,
  OpenAITracingExporter,
  run,
  setTraceProcessors,
  tool,
} from "@openai/agents";
import OpenAI from "openai";
import { z } from "zod";

import { API_KEY, serve } from "./kijun.mjs";

const MODEL = "scripted";
const getWeather = tool({
  name: "get_weather",
  description: "The weather of a city.",
  parameters: z.object({ city: z.string() }),
  execute: ({ city }) => `21 degrees in ${city}`,
});
const WEATHER = 'sim: tool get_weather {"city": "Rome"}';

let kijun;
let client;

before(async () => {
  kijun = await serve();
  client = new OpenAI({ apiKey: API_KEY, baseURL: kijun.baseURL, maxRetries: 0, timeout: 30_000 });
  const endpoint = `${kijun.baseURL}/traces/ingest`;
  setTraceProcessors([
    new BatchTraceProcessor(new OpenAITracingExporter({ apiKey: API_KEY, endpoint })),
  ]);
});
after(() => kijun?.stop());

for (const Model of [OpenAIResponsesModel, OpenAIChatCompletionsModel]) {
  describe(Model.name, () => {
    const agent = (more) => new Agent({ name: "porter", model: new Model(client, MODEL), ...more });

    test("a tool is called and its result used", async () => {
      const result = await run(agent({ tools: [getWeather] }), WEATHER);
      assert.match(result.finalOutput, /21 degrees in Rome/);
    });

    test("one agent hands over to another", async () => {
      const clerk = agent({ name: "clerk" });
      const result = await run(agent({ handoffs: [clerk] }), "sim: tool transfer_to_clerk {}");
      assert.equal(result.lastAgent.name, "clerk");
    });

    test("a run streams", async () => {
      const result = await run(agent({ tools: [getWeather] }), WEATHER, { stream: true });
      let text = "";
      for await (const piece of result.toTextStream()) text += piece;
      await result.completed;
      assert.equal(text, result.finalOutput);
      assert.match(text, /21 degrees in Rome/);
    });

    test("the output is of a type", async () => {
      const outputType = z.object({ label: z.string(), certainty: z.number().int() });
      const result = await run(agent({ outputType }), "A verdict, please.");
      assert.ok(outputType.safeParse(result.finalOutput).success);
    });
  });
}

test("a session of the server remembers", async () => {
  const session = new OpenAIConversationsSession({ client });
  const agent = new Agent({
    name: "porter",
    model: new OpenAIResponsesModel(client, MODEL),
    tools: [getWeather],
  });
  await run(agent, WEATHER, { session });
  const goodbye = await run(agent, "sim: say Goodbye.", { session });
  assert.equal(goodbye.finalOutput, "Goodbye.");
  const kinds = (await session.getItems()).map((item) => item.type ?? "message");
  assert.equal(kinds.length, 6);
  assert.ok(kinds.includes("function_call") && kinds.includes("function_call_result"));
  await session.clearSession();
});

test("traces are taken", async () => {
  const answers = [];
  const real = globalThis.fetch;
  globalThis.fetch = async (url, options) => {
    const answer = await real(url, options);
    if (String(url).endsWith("/traces/ingest")) answers.push(answer.status);
    return answer;
  };
  try {
    const agent = new Agent({ name: "porter", model: new OpenAIResponsesModel(client, MODEL) });
    await run(agent, "sim: say traced");
    await getGlobalTraceProvider().forceFlush();
  } finally {
    globalThis.fetch = real;
  }
  assert.ok(answers.length > 0, "nothing was exported");
  assert.ok(answers.every((status) => status === 204), `${answers}`);
});
