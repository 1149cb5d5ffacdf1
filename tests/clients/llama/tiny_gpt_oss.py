"""Writes a tiny gpt-oss model with random weights, in GGUF.

It has the real architecture (mixture of experts in MXFP4, attention sinks, sliding window) and the
real harmony special tokens, so that llama.cpp treats it as gpt-oss; it knows nothing. A grammar
sent with a request makes its answers deterministic.
"""

import sys
from pathlib import Path

import numpy as np
from gguf import GGMLQuantizationType, GGUFWriter, RopeScalingType, TokenType

LAYERS, WIDTH, HEADS, KV_HEADS, HEAD, EXPERTS, EXPERTS_USED, FEED_FORWARD = 2, 64, 4, 2, 32, 4, 2, 64
CONTEXT = 4096

# End-of-turn tokens and channel markers of OpenAI's harmony format.
SPECIAL = [
    "<|startoftext|>", "<|endoftext|>", "<|return|>", "<|constrain|>", "<|channel|>",
    "<|start|>", "<|end|>", "<|message|>", "<|call|>", "<|endofprompt|>",
]

# A few merges, each made of tokens that are there before it.
MERGES = ["t h", "th e", "i n", "a n", "o n", "e r", "h e", "he l", "l o", "hel lo", "in g"]

# As much of harmony as a conversation with one assistant needs. The marker <|channel|> is also how
# llama.cpp recognises gpt-oss and splits its channels into reasoning and content.
CHAT_TEMPLATE = (
    "{%- for message in messages -%}"
    "{%- if message.role == 'assistant' -%}"
    "<|start|>assistant<|channel|>final<|message|>{{ message.content }}<|end|>"
    "{%- else -%}"
    "<|start|>{{ message.role }}<|message|>{{ message.content }}<|end|>"
    "{%- endif -%}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt -%}<|start|>assistant{%- endif -%}"
)


def byte_symbols() -> list[str]:
    """GPT-2's printable stand-in for each byte, in the order of the bytes."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    symbols = {byte: chr(byte) for byte in printable}
    others = (byte for byte in range(256) if byte not in symbols)
    symbols.update({byte: chr(256 + i) for i, byte in enumerate(others)})
    return [symbols[byte] for byte in range(256)]


def vocabulary() -> tuple[list[str], int]:
    """All tokens, and how many of them are ordinary text."""
    text = byte_symbols() + [merge.replace(" ", "") for merge in MERGES]
    tokens = text + SPECIAL
    tokens += [f"<|reserved_{i}|>" for i in range(-len(tokens) % 32)]
    return tokens, len(text)


def write(path: Path, seed: int = 0) -> None:
    random = np.random.default_rng(seed)
    tokens, text = vocabulary()
    out = GGUFWriter(str(path), "gpt-oss")
    out.add_name("tiny-random-gpt-oss")
    write_shape(out)
    write_tokenizer(out, tokens, text)
    write_tensors(out, random, len(tokens))
    out.write_header_to_file()
    out.write_kv_data_to_file()
    out.write_tensors_to_file()
    out.close()


def write_shape(out: GGUFWriter) -> None:
    out.add_context_length(CONTEXT)
    out.add_embedding_length(WIDTH)
    out.add_block_count(LAYERS)
    out.add_feed_forward_length(FEED_FORWARD)
    out.add_head_count(HEADS)
    out.add_head_count_kv(KV_HEADS)
    out.add_key_length(HEAD)
    out.add_value_length(HEAD)
    out.add_layer_norm_rms_eps(1e-5)
    out.add_expert_count(EXPERTS)
    out.add_expert_used_count(EXPERTS_USED)
    out.add_expert_feed_forward_length(FEED_FORWARD)
    out.add_sliding_window(128)
    out.add_rope_freq_base(150_000.0)
    out.add_rope_scaling_type(RopeScalingType.YARN)
    out.add_rope_scaling_factor(32.0)
    out.add_rope_scaling_orig_ctx_len(CONTEXT)


def write_tokenizer(out: GGUFWriter, tokens: list[str], text: int) -> None:
    out.add_tokenizer_model("gpt2")
    out.add_tokenizer_pre("gpt-4o")
    out.add_token_list([token.encode() for token in tokens])
    out.add_token_types([TokenType.NORMAL] * text + [TokenType.CONTROL] * (len(tokens) - text))
    out.add_token_merges(MERGES)
    out.add_bos_token_id(tokens.index("<|startoftext|>"))
    out.add_eos_token_id(tokens.index("<|return|>"))
    out.add_pad_token_id(tokens.index("<|endoftext|>"))
    out.add_chat_template(CHAT_TEMPLATE)


def write_tensors(out: GGUFWriter, random: np.random.Generator, vocabulary_size: int) -> None:
    def dense(*shape: int) -> np.ndarray:
        return (random.standard_normal(shape) * 0.05).astype(np.float32)

    def half(*shape: int) -> np.ndarray:
        return dense(*shape).astype(np.float16)

    def mxfp4(*shape: int) -> np.ndarray:
        """Blocks of 32 values: one shared exponent, then sixteen bytes of four-bit values."""
        blocks = random.integers(0, 256, (*shape[:-1], shape[-1] // 32, 17), dtype=np.uint8)
        blocks[..., 0] = 120
        return blocks.reshape(*shape[:-1], -1)

    out.add_tensor("token_embd.weight", half(vocabulary_size, WIDTH))
    out.add_tensor("output_norm.weight", np.ones(WIDTH, np.float32))
    out.add_tensor("output.weight", half(vocabulary_size, WIDTH))
    for layer in range(LAYERS):
        name = f"blk.{layer}."
        out.add_tensor(name + "attn_norm.weight", np.ones(WIDTH, np.float32))
        out.add_tensor(name + "post_attention_norm.weight", np.ones(WIDTH, np.float32))
        for part, rows in (("q", HEADS * HEAD), ("k", KV_HEADS * HEAD), ("v", KV_HEADS * HEAD)):
            out.add_tensor(name + f"attn_{part}.weight", half(rows, WIDTH))
            out.add_tensor(name + f"attn_{part}.bias", dense(rows))
        out.add_tensor(name + "attn_output.weight", half(WIDTH, HEADS * HEAD))
        out.add_tensor(name + "attn_output.bias", dense(WIDTH))
        out.add_tensor(name + "attn_sinks.weight", dense(HEADS))
        out.add_tensor(name + "ffn_gate_inp.weight", dense(EXPERTS, WIDTH))
        out.add_tensor(name + "ffn_gate_inp.bias", dense(EXPERTS))
        for part, (rows, columns) in {
            "gate": (FEED_FORWARD, WIDTH), "up": (FEED_FORWARD, WIDTH), "down": (WIDTH, FEED_FORWARD),
        }.items():
            weights = mxfp4(EXPERTS, rows, columns)
            out.add_tensor(
                name + f"ffn_{part}_exps.weight", weights, raw_dtype=GGMLQuantizationType.MXFP4
            )
            out.add_tensor(name + f"ffn_{part}_exps.bias", dense(EXPERTS, rows))


if __name__ == "__main__":
    write(Path(sys.argv[1]))
