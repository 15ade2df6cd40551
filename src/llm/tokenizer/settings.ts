/**
 * What a file's metadata says of its tokenizer is read, or stands here, or is refused by name: other tokens than the model was trained on
 * are worse than none.
 */
import type { InputError } from "../../errors.ts";
import type { Metadata } from "../files/metadata.ts";

const PREFIX = "tokenizer.ggml.";

/** Settings that change no token: those of tokenizers of another kind, and of tasks that are none here. */
const WITHOUT_EFFECT = new Set(
  [
    "pre scores merges add_space_prefix remove_extra_whitespaces precompiled_charsmap token_type_count",
    "normalizer.lowercase normalizer.strip_accents add_sep_token add_eos_token",
    "bos_token_id eos_token_id cls_token_id seperator_token_id separator_token_id padding_token_id mask_token_id",
  ].flatMap((line) => line.split(" ")),
);

/** Throws what `refuse` makes where a setting asks for what is not computed, or is not known. All that is read must have been read before. */
export function checkSettings(
  metadata: Metadata,
  wordpiece: boolean,
  refuse: (rule: string) => InputError,
): void {
  const suppressed = metadata.count(`${PREFIX}suppress_tokens`) ?? 0;
  if (suppressed > 0)
    throw refuse(`"${PREFIX}suppress_tokens" names ${suppressed} tokens; none is suppressed here`);
  // WordPiece is computed as BERT's uncased models have it.
  for (const key of ["lowercase", "strip_accents"].map((rule) => `${PREFIX}normalizer.${rule}`))
    if (wordpiece && !metadata.boolean(key, true)) throw refuse(`"${key}" is false, and is computed as true`);
  const known = (key: string) => WITHOUT_EFFECT.has(key) || key === "suppress_tokens";
  const unknown = metadata.unread(PREFIX).find((key) => !known(key.slice(PREFIX.length)));
  if (unknown === undefined) return;
  throw refuse(`metadata "${unknown}" is not known, and tokens could be wrong without it`);
}
