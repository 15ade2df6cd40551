"""Control and end tokens, and whether a text begins with BOS, by llama.cpp, for vocabularies that the tests make again.

    python test/golden/special_tokens.py

writes test/golden/special_tokens.json: cases of {pre, extra: [[text, type], ...], keys, add_bos, control: [texts], ends: [texts]}. A
vocabulary is the 256 bytes in GPT-2's letters, then extra; keys are tokenizer.ggml.<key>_token_id, by text. Made with llama-cpp-python
0.3.36 and gguf 0.19.0.
"""
import json
import os
import tempfile

import gguf
from llama_cpp import llama_cpp as llama

HERE = os.path.dirname(os.path.abspath(__file__))
PLAIN = [b for b in range(256) if 33 <= b < 127 or 161 <= b < 173 or 174 <= b]
OTHER = [b for b in range(256) if b not in PLAIN]
LETTERS = [chr(b) if b in PLAIN else chr(256 + OTHER.index(b)) for b in range(256)]
NORMAL, CONTROL, USER_DEFINED = 1, 3, 4

NAMES = (
    "<|eot_id|> <|im_end|> <|end|> <|return|> <|call|> <|calls|> <|flush|> <end_of_turn> <|endoftext|> <|end_of_text|> <|eom_id|> <EOT> _<EOT> [EOT] [EOS] "
    "<end_of_utterance> <eos> </s> <turn|> <|tool_response> [e~[ <｜end▁of▁sentence｜> <|channel|> <|message|> <|start|> <|constrain|> <|im_start|> <s> <think> "
    "<|fim_prefix|> <fim_suffix> <MID> <fim_pad> [PAD] <reponame> <|file_sep|> <|code_prefix|> <SUF> <|middle|> <REPO> <|fim_pad|> ▁<PRE> [MASK] <|user|>"
).split()
GROUPS = [
    ["<|return|>", "<|call|>", "<|end|>"], ["<|flush|>", "<|calls|>", "<|end|>"], ["<|flush|>", "<|end|>"], ["<|return|>", "<|end|>"], ["<|tool_response>", "</s>"],
    ["<|im_start|>", "<|im_end|>", "<|endoftext|>", "<|fim_pad|>", "<|repo_name|>", "<|file_sep|>"],
]


def writable(text, kind):
    return kind != NORMAL or all(c in LETTERS for c in text)


def cases():
    for pre in ["gpt-2", "smollm", "llama-bpe", "llama3", "llama-v3", "falcon3", "qwen2", "default"]:
        yield pre, [["<s>", CONTROL]], {"bos": "<s>", "eos": "<s>"}
    for kind in (NORMAL, CONTROL, USER_DEFINED):
        for text in NAMES:
            if writable(text, kind):
                yield "gpt-2", [["<x>", CONTROL], [text, kind]], {"eos": "<x>"}
        for group in GROUPS:
            yield "gpt-2", [["<x>", CONTROL]] + [[text, kind] for text in group], {"eos": "<x>"}
    for key in ["eot", "eom", "fim_pre", "fim_suf", "fim_mid", "fim_pad", "fim_rep", "fim_sep", "prefix"]:
        named = [["<x>", CONTROL], ["<own>", USER_DEFINED], ["<PRE>", NORMAL], ["<SUF>", NORMAL], ["<MID>", NORMAL], ["<PAD>", NORMAL], ["<REPO>", NORMAL], ["<|file_sep|>", NORMAL]]
        yield "gpt-2", named, {"eos": "<x>", key: "<own>"}
    yield "gpt-2", [["<eos>", NORMAL], ["<|plamo:eos|>", NORMAL], ["</s>", NORMAL]], {"eos": "<|plamo:eos|>"}


def write(path, pre, extra, keys):
    tokens = LETTERS + [text for text, _ in extra]
    w = gguf.GGUFWriter(path, "llama")
    for key, value in dict(context_length=64, embedding_length=64, block_count=1, feed_forward_length=64).items():
        w.add_uint32(f"llama.{key}", value)
    w.add_uint32("llama.attention.head_count", 4)
    w.add_float32("llama.attention.layer_norm_rms_epsilon", 1e-5)
    w.add_string("tokenizer.ggml.model", "gpt2")
    w.add_string("tokenizer.ggml.pre", pre)
    w.add_array("tokenizer.ggml.tokens", tokens)
    w.add_array("tokenizer.ggml.token_type", [NORMAL] * 256 + [kind for _, kind in extra])
    w.add_array("tokenizer.ggml.merges", ["h e"])
    for key, text in keys.items():
        w.add_uint32(f"tokenizer.ggml.{key}_token_id", tokens.index(text))
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()
    return tokens


def main():
    silent = llama.llama_log_callback(lambda *_: None)
    llama.llama_log_set(silent, None)
    parameters = llama.llama_model_default_params()
    parameters.vocab_only = True
    golden = []
    with tempfile.TemporaryDirectory() as directory:
        for pre, extra, keys in cases():
            path = os.path.join(directory, "vocabulary.gguf")
            tokens = write(path, pre, extra, keys)
            model = llama.llama_model_load_from_file(path.encode(), parameters)
            vocabulary = llama.llama_model_get_vocab(model)
            of = lambda holds: [text for i, text in enumerate(tokens) if holds(vocabulary, i)]
            golden.append(
                dict(
                    pre=pre, extra=extra, keys=keys, add_bos=llama.llama_vocab_get_add_bos(vocabulary),
                    control=of(llama.llama_vocab_is_control), ends=of(llama.llama_vocab_is_eog),
                )
            )
            llama.llama_model_free(model)
    with open(os.path.join(HERE, "special_tokens.json"), "w") as file:
        lines = ",\n".join(json.dumps(case, ensure_ascii=False) for case in golden)
        file.write(f"[\n{lines}\n]\n")
    print(len(golden), "cases")


main()
