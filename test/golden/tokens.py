"""Texts and their tokens by llama.cpp, compared with transformers, for the tests of the tokenizers.

    python test/golden/tokens.py MODELS_DIRECTORY [--wide N]

writes test/golden/tokens.json.gz: {"texts": [...], "<model>": [[ids of text 0], ...], "<model>_transformers_differs": [places]} for
SmolLM2 and Gemma 3, without BOS, control tokens taken from the text. --wide N writes N random texts with the ids of both to standard
output instead. Where the two differ, llama.cpp is right: transformers builds SmolLM2's tokenizer from the GGUF file without its digits
rule, and cuts long runs of Gemma's spaces otherwise. Made with llama-cpp-python 0.3.36 and transformers 5.23.0.
"""
import gzip
import json
import os
import random
import sys

import llama_cpp
from transformers import AutoTokenizer

MODELS = {"smollm2": "SmolLM2-135M-Instruct.Q4_1.gguf", "gemma3": "gemma-3-270m-q4_k_m.gguf"}

NICE = [
    "", " ", "  ", "   ", "\n", "\n\n", "\t", "\r\n", " \n", "\n ", "a", " a", "a ", " a ", "  a  b   c    ",
    "Hello, world!", "It's we're I'll he'd they've I'm don't IT'S WE'RE I'LL", "'s't're've'm'll'd", "''''''", "1", "12", "123", "1234567890", " 1 12 123 1234",
    "3.14159 -2,718,281 +1e10 0x7fff 1/2 ½ ¼ ² ³ Ⅳ 一二三 ١٢٣ १२३ 𝟏𝟐𝟑", "price: $5.00 + 20% = 6.00€", "…—–‘’“”«»¿¡", "naïve café résumé Å Å ﬁ ﬂ",
    "Привет, мир! Как дела?", "Γειά σου Κόσμε", "שלום עולם", "مرحبا بالعالم", "नमस्ते दुनिया", "สวัสดีชาวโลก", "你好，世界！今天天气很好。", "こんにちは世界", "안녕하세요 세계", "អិតអត់ហាយ",
    "🦙🦙🦙", "👩‍👩‍👧‍👦 👍🏽 🇩🇪🇫🇷 ❤️", "a\u0301 e\u0308 \u200b\u200d\ufeff\u00ad", "\u00a0\u2003\u3000 \u0085 x\u2028y\u2029z", "zero\u0000byte",
    "def f(x):\n    return x ** 2  # square\n\n\nclass A:\n\tpass\n", "for (let i = 0; i < 10; i++) {\n\t\tconsole.log(`${i}`);\n}\r\n\r\n",
    "<html><body><b>bold</b><br></br></body></html>", "{\"a\": [1, 2, {\"b\": null}]}", "https://example.com/path?q=1&r=%20#frag", "user@example.com",
    "SELECT * FROM t WHERE a <> 'x';", "a" * 100, " " * 100, "\n" * 100, "\t" * 50, "ab" * 60, "==" * 40, "é" * 40, "🦙" * 20, " \n" * 30, "x " * 40,
    "<|im_start|>system\nYou are helpful.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n", "<|endoftext|>a<|endoftext|>", "<start_of_turn>user\nHi<end_of_turn>\n", "<bos>a<eos>",
    "<unused5> <pad> <mask> [multimodal] <unk>", "<table> <tr> <td>x</td> </tr> </table>", "ſ 's 'ſ 'K Kelvin K", "Ⓐⓑ №§¶†‡•", "Zażółć gęślą jaźń", "Đây là tiếng Việt", "Türkçe İıĞğ ŞşÇç",
    "supercalifragilisticexpialidocious antidisestablishmentarianism", "THE QUICK BROWN FOX", "tHe QuIcK bRoWn", "snake_case camelCase kebab-case PascalCase",
    "\u4dff\u9fff\U00020000\U0002a6df", "\uffff\ufffd\U0010ffff", "ק״א ׳", "ಕನ್ನಡ தமிழ் తెలుగు മലയാളം", "አማርኛ ქართული հայերեն",
]
ALPHABETS = [
    list("abcdefghijklmnopqrstuvwxyz      "), list("abcXYZ019 '.,-\n\t\r  "), list("  \n\t\r\u00a0\u3000a."), list("0123456789 .,a"),
    list("'sStTrReEvVmMlLdD ſ"), [chr(c) for c in range(0x20, 0x250)], [chr(c) for c in range(0x300, 0x600)], [chr(c) for c in range(0x900, 0xe80)],
    [chr(c) for c in range(0x2000, 0x2c00)], [chr(c) for c in range(0x3000, 0x3200)] + [chr(c) for c in range(0x4e00, 0x9000, 37)],
    [chr(c) for c in range(0xac00, 0xd7a0, 11)], [chr(c) for c in range(0x1f300, 0x1fa00)] + ["\u200d", "\ufe0f"], [chr(c) for c in range(0x10000, 0x1ffff, 13)],
    list("<>/ab|im_startend unused0123"), ["<b>", "</b>", "<td>", "</s>x", "\n\n", "  ", "\t", "<eos>", "<bos>", "▁", "a", "<0x0A>", "<unused7>"],
]


def random_text(rng):
    parts = []
    for _ in range(rng.randint(1, 6)):
        if rng.random() < 0.1:
            parts.append("".join(c for c in (chr(rng.randrange(0x110000)) for _ in range(rng.randint(1, 8))) if not 0xD800 <= ord(c) < 0xE000))
        else:
            alphabet = rng.choice(ALPHABETS)
            parts.append("".join(rng.choice(alphabet) for _ in range(rng.randint(1, 24))))
    return "".join(parts)


def oracles(directory, model):
    path = os.path.join(directory, MODELS[model])
    llama = llama_cpp.Llama(path, vocab_only=True, verbose=False)
    hugging = AutoTokenizer.from_pretrained(directory, gguf_file=MODELS[model])
    return (
        lambda text: llama.tokenize(text.encode(), add_bos=False, special=True),
        lambda text: hugging.encode(text, add_special_tokens=False),
    )


def main():
    directory = sys.argv[1]
    rng = random.Random(4)
    wide = int(sys.argv[3]) if len(sys.argv) > 3 else 0
    texts = [random_text(rng) for _ in range(wide)] if wide else NICE + [random_text(rng) for _ in range(180)]
    golden = {"texts": texts}
    for model in MODELS:
        by_llama, by_hugging = oracles(directory, model)
        golden[model] = [by_llama(text) for text in texts]
        other = [by_hugging(text) for text in texts]
        golden[model + "_transformers_differs"] = [i for i, ids in enumerate(other) if ids != golden[model][i]]
        if wide:
            golden[model + "_transformers"] = other
    if wide:
        json.dump(golden, sys.stdout)
        return
    with gzip.GzipFile(os.path.join(os.path.dirname(__file__), "tokens.json.gz"), "wb", mtime=0) as file:
        file.write(json.dumps(golden, ensure_ascii=False, separators=(",", ":")).encode())


main()
