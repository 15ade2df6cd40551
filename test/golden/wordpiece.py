"""Texts and their tokens by Hugging Face's tokenizers (BertNormalizer, BertPreTokenizer, WordPiece), for the tests of WordPiece.

    python test/golden/wordpiece.py VOCAB_TXT [N]

writes test/golden/wordpiece.json; with N, tokens of N random texts to standard output instead. Random
texts have only characters of Unicode 3.2, because that library and JavaScript know different later versions. Made with the tokenizers that transformers 5.23.0 installs.
"""
import json
import os
import random
import sys
import unicodedata

from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer
from tokenizers.processors import BertProcessing

NICE = [
    "", " ", "Hello, World!", "The naïve café's Ünïcödé — “quotes”", "don't can't won't", "unaffable embeddings tokenization", "[MASK] is [UNK] [SEP]", "你好，世界 hello世界", "한국어 문장",
    "こんにちは ガギグ", "Привет Мир Йод", "Ελληνικά ΣΊΣΥΦΟΣ", "İstanbul ıI", "a\u0301e\u0300", "\u00a0x\u3000y\u2028z\tw\r\n", "zero\u0000\ufffd\u200b\u00adwidth", "x²½Ⅳ", "$5 + 3 = 8 < 9 ^ ~`|",
    "क्षत्रिय हिन्दी", "தமிழ்", "ไทย", "ﬁ ﬂ Å Ω K", "e" * 100, "e" * 101, "é" * 100, "a.b.c", "🦙 emoji 👍", "שָׁלוֹם", "مَرْحَبًا",
]
RANGES = [(0x20, 0x7F), (0x20, 0x7F), (0x20, 0x7F), (0x80, 0x250), (0x300, 0x530), (0x590, 0x700), (0x900, 0xE80), (0x1E00, 0x2000), (0x2000, 0x2C00), (0x3000, 0x3200), (0x4E00, 0x9000), (0xAC00, 0xD7A4), (0xF900, 0x10000), (0x10000, 0x12000), (0x1F300, 0x1F650)]


def random_text(rng):
    parts = []
    for _ in range(rng.randint(1, 8)):
        first, end = rng.choice(RANGES)
        parts.append("".join(chr(rng.randrange(first, end)) for _ in range(rng.randint(1, 8))))
    return "".join(c for c in " ".join(parts) if unicodedata.ucd_3_2_0.category(c) not in ("Cn", "Cs"))


def main():
    vocabulary = {line.rstrip("\n"): i for i, line in enumerate(open(sys.argv[1], encoding="utf8"))}
    tokenizer = Tokenizer(WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = BertNormalizer()
    tokenizer.pre_tokenizer = BertPreTokenizer()
    tokenizer.post_processor = BertProcessing(("[SEP]", 102), ("[CLS]", 101))
    tokenizer.add_special_tokens(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"])
    rng = random.Random(4)
    wide = int(sys.argv[2]) if len(sys.argv) > 2 else 0
    texts = [random_text(rng) for _ in range(wide)] if wide else NICE + [random_text(rng) for _ in range(100)]
    golden = {"texts": texts, "tokens": [tokenizer.encode(text).ids for text in texts]}
    if wide:
        json.dump(golden, sys.stdout)
        return
    with open(os.path.join(os.path.dirname(__file__), "wordpiece.json"), "w", encoding="utf8") as file:
        json.dump(golden, file, ensure_ascii=False, separators=(",", ":"))
        file.write("\n")


main()
