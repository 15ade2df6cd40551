#!/usr/bin/env bash
# minisearch 7.2.0 says that it ranks by BM25+, and takes its parameters k, b and d. Its scores are not those of BM25+ in two ways that
# change the order of results:
# - the sum over the words of a query is multiplied by the number of words that matched, so a text with two common words of the query
#   comes before one with the rare word;
# - the length of a text is its number of different words, so a text that repeats itself counts as short.
#
# Seen with minisearch 7.2.0, beside what BM25+ (Lv and Zhai, CIKM 2011) gives:
#   two words matched: 2.000 times the sum of what each alone gives (BM25+: 1)
#   "c c c d d d" beside "c c c d", asked for c: 1.000 times its score (BM25+: less than 1)
# Exits 1 where that has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm install --silent --no-audit --no-fund minisearch@7.2.0

cat > run.mjs <<'JS'
import MiniSearch from "minisearch";

function scores(texts, query, options = {}) {
  const index = new MiniSearch({ fields: ["text"] });
  index.addAll(texts.map((text, id) => ({ id, text })));
  const found = new Map(index.search(query, options).map(({ id, score }) => [id, score]));
  return texts.map((_, id) => found.get(id) ?? 0);
}

const texts = ["red green", "blue sky", "red sky", "grey stone", "old stone"];
const both = scores(texts, "red sky")[2];
const [red, sky] = [scores(texts, "red")[2], scores(texts, "sky")[2]];
console.log(`two words matched: ${(both / (red + sky)).toFixed(3)} times the sum of what each alone gives (BM25+: 1)`);

// the same count of c; the second text is half as long again
const [short, long] = scores(["c c c d", "c c c d d d", "x y"], "c");
console.log(`"c c c d d d" beside "c c c d", asked for c: ${(long / short).toFixed(3)} times its score (BM25+: less than 1)`);
process.exitCode = Math.abs(both / (red + sky) - 2) < 1e-9 && long === short ? 0 : 1;
JS
node run.mjs
