"""Writes rouge.json: ROUGE-1 and ROUGE-L by rouge_score, as LaMP measures (no stemmer), for test/lab/tasks_lamp.test.ts.

Run: pip install rouge_score==0.1.2 && python test/golden/rouge.py
"""
import importlib.metadata
import json
import pathlib

from rouge_score.rouge_scorer import RougeScorer

PAIRS = [
    ["the cat sat", "The cat, the mat."],
    ["the the the", "the cat"],
    ["b a c d", "a b c d"],
    ["", ""],
    ["words", ""],
    ["don't stop at 3.5", "dont stop at 3 5"],
    ["Café in Zürich opens", "Cafe in Zurich opens"],
    ["snake_case e-mail", "snake case email"],
    ["police killed the gunman", "the gunman kill police"],
    ["a b c b d a b", "b d c a b a"],
    ["किताब नई है", "किताब नई है"],
    ["кот и GPT-4", "кот и gpt 4"],
    ["İstanbul \u212aelvin", "istanbul kelvin"],
    ["one two\nthree\tfour", "one  two three four five"],
]

scorer = RougeScorer(["rouge1", "rougeL"], use_stemmer=False)
rows = []
for prediction, gold in PAIRS:
    scores = scorer.score(gold, prediction)
    rows.append({"prediction": prediction, "gold": gold, "rouge1": scores["rouge1"].fmeasure, "rougeL": scores["rougeL"].fmeasure})
golden = {"rouge_score": importlib.metadata.version("rouge_score"), "pairs": rows}
pathlib.Path(__file__).with_suffix(".json").write_text(json.dumps(golden, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
