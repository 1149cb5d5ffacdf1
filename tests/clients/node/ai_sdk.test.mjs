// The Vercel AI SDK on its OpenAI provider, which speaks Responses, and Chat Completions on demand.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { createOpenAI } from "@ai-sdk/openai";
import { generateText, Output, stepCountIs, streamText, tool } from "ai";
import { z } from "zod";

import { API_KEY, serve } from "./kijun.mjs";

const MODEL = "scripted";
const getWeather = tool({
  description: "The weather of a city.",
  inputSchema: z.object({ city: z.string() }),
  execute: ({ city }) => `21 degrees in ${city}`,
});
const WEATHER = 'sim: tool get_weather {"city": "Rome"}';

let kijun;
let openai;

before(async () => {
  kijun = await serve();
  openai = createOpenAI({ apiKey: API_KEY, baseURL: kijun.baseURL });
});
after(() => kijun?.stop());

for (const api of ["responses", "chat"]) {
  describe(api, () => {
    const asked = (prompt, more) => ({ model: openai[api](MODEL), prompt, maxRetries: 0, ...more });

    test("a text", async () => {
      const { text, usage } = await generateText(asked('sim: say "Good morning."'));
      assert.equal(text, "Good morning.");
      assert.ok(usage.inputTokens > 0 && usage.outputTokens > 0);
    });

    test("a stream of text", async () => {
      const errors = [];
      const result = streamText(asked("sim: tokens 50", { onError: (event) => errors.push(event) }));
      let text = "";
      for await (const piece of result.textStream) text += piece;
      assert.deepEqual(errors, []);
      assert.match(text, /^w1 w2 .* w50$/);
      assert.equal(await result.finishReason, "stop");
    });

    test("a tool in a loop, streamed", async () => {
      const errors = [];
      const result = streamText(
        asked(WEATHER, {
          tools: { get_weather: getWeather },
          stopWhen: stepCountIs(3),
          onError: (event) => errors.push(event),
        }),
      );
      assert.match(await result.text, /21 degrees in Rome/);
      assert.equal((await result.steps).length, 2);
      assert.deepEqual(errors, []);
    });

    test("an object of a schema", async () => {
      const schema = z.object({ label: z.string(), certainty: z.number().int() });
      const { output } = await generateText(
        asked("A verdict, please.", { output: Output.object({ schema }) }),
      );
      assert.ok(schema.safeParse(output).success);
    });
  });
}

test("reasoning streams before the text", async () => {
  const result = streamText({
    model: openai.responses(MODEL),
    prompt: "sim: reason First I count.\nsim: say Three.",
    maxRetries: 0,
  });
  const kinds = [];
  for await (const part of result.fullStream) {
    assert.notEqual(part.type, "error", JSON.stringify(part));
    if (kinds.at(-1) !== part.type) kinds.push(part.type);
  }
  assert.equal(await result.text, "Three.");
  assert.ok(kinds.includes("reasoning-start"), kinds.join());
  assert.ok(kinds.indexOf("reasoning-end") < kinds.indexOf("text-start"));
});

test("what the model thought is referred to by its id", async () => {
  const { text, steps } = await generateText({
    model: openai.responses(MODEL),
    prompt: `sim: reason I need the weather.\n${WEATHER}`,
    tools: { get_weather: getWeather },
    stopWhen: stepCountIs(3),
    maxRetries: 0,
  });
  assert.equal(steps.length, 2);
  assert.match(text, /21 degrees in Rome/);
});
