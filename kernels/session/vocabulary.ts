/**
 * The vocabulary section: everything that text ↔ tokens needs, in one block that stands anywhere in linear memory.
 * Written by src/llm/tokenizer/tables.ts, read by tokenize.ts. Words of 32 bits, little-endian; offsets are bytes from
 * the section's start.
 *
 *   header      the words below
 *   records     one per token, 16 bytes: offset of its text, bytes of its text, type, rank
 *               rank (SentencePiece): how many tokens have a better score; lowest merges first
 *   bytes       256 words: token of each single byte, NO_TOKEN where there is none
 *   pieces      open hash table of token + 1 (0: free) by the bytes of the text: what merging may produce
 *   specials    the same for tokens that are cut out of the text before anything else (user-defined and control)
 *   lengths     256 words, one per first byte of specials: offset of the list of their lengths, 0 where there are none;
 *               a list is its count, then the lengths from the longest down
 *   merges      open hash table of {left, right, rank, merged}, merged = NO_TOKEN: free (byte-level BPE)
 *   joints      65,536 bits: bit left·256 + right says that some piece has these two bytes side by side; text
 *               (SentencePiece) may be cut wherever the bit is 0, because no piece spans that place
 *   classes     kinds of characters (byte-level BPE): one byte per block of 256 code points, the number of its row; then
 *               the rows, 256 bytes CLASS_* each. Written by src/llm/tokenizer/character_classes.ts
 *   normals     normal forms of characters (WordPiece): their count, 0, then {code point | bytes << 24, offset of the
 *               text}, by rising code point. Written by src/llm/tokenizer/normal_forms.ts
 *   texts       the tokens' own bytes: ▁ of SentencePiece is a space already, GPT-2's letters are bytes already
 *
 * Hash tables have 2^n entries, at most half of them taken, and are probed one by one.
 */
export const VOCABULARY_MAGIC = 0x56474445; // "EDGV"
export const VOCABULARY_VERSION = 2;

// ── Header ──────────────────────────────────────────────────────────────────────────────────────────────────────────
export const V_MAGIC = 0;
export const V_VERSION = 4;
export const V_BYTES = 8; // of the whole section
export const V_MODEL = 12; // MODEL_*
export const V_FLAGS = 16; // VOCABULARY_*
export const V_SPLIT = 20; // SPLIT_*: how byte-level BPE cuts text into words
export const V_TOKENS = 24; // vocabulary size
export const V_BOS = 28; // NO_TOKEN where there is none, as the next two
export const V_EOS = 32;
export const V_UNKNOWN = 36;
export const V_LONGEST = 40; // bytes of the longest piece
export const V_RECORDS = 44; // offsets from here on
export const V_BYTE_TOKENS = 48;
export const V_PIECES = 52;
export const V_PIECES_MASK = 56; // entries − 1
export const V_SPECIALS = 60;
export const V_SPECIALS_MASK = 64;
export const V_LENGTHS = 68;
export const V_MERGES = 72;
export const V_MERGES_MASK = 76;
export const V_JOINTS = 80;
export const V_CLASSES = 84;
export const V_NORMALS = 88;
export const VOCABULARY_HEADER_BYTES = 128;

export const NO_TOKEN = 0xffffffff;

export const MODEL_SENTENCEPIECE = 1;
export const MODEL_BYTE_LEVEL = 2;
export const MODEL_WORDPIECE = 3;

export const VOCABULARY_SPACE_PREFIX = 1; // text that starts, or follows a special token, gets a space in front

export const VOCABULARY_IGNORE_MERGES = 2; // a word that is a token is not merged from bytes

/** How text is cut into words: `edgewise` is of our own models (words.ts), the others are in split.ts. */
export const SPLIT_EDGEWISE = 1;
export const SPLIT_GPT2 = 2;
export const SPLIT_SMOLLM = 3;
export const SPLIT_LLAMA_BPE = 4;
export const SPLIT_QWEN2 = 5;
export const SPLIT_DEFAULT = 6;

// ── Classes of characters: a code point is in one ───────────────────────────────────────────────────────────────────
export const CLASS_OTHER = 0;
export const CLASS_LETTER = 1; // \p{L}
export const CLASS_NUMBER = 2; // \p{N}
export const CLASS_SPACE = 3; // White_Space
export const CLASS_PUNCTUATION = 4; // \p{P}
/** Classes of WordPiece, besides CLASS_OTHER (part of a word) and CLASS_SPACE (between words). */
export const CLASS_DROPPED = 5; // controls, and marks that are no letters
export const CLASS_ALONE = 6; // punctuation and ideographs: a word of its own
export const CLASS_NORMALISED = 128; // added where the character is replaced by its normal form
export const CLASS_BLOCK = 256; // code points of a row
export const CLASS_BLOCKS = 4352; // 0x110000 / 256

// ── Records ─────────────────────────────────────────────────────────────────────────────────────────────────────────
export const RECORD_BYTES = 16;
export const RECORD_TEXT = 0;
export const RECORD_TEXT_BYTES = 4;
export const RECORD_TYPE = 8;
export const RECORD_RANK = 12;

/** Token types of GGUF. */
export const TYPE_NORMAL = 1;
export const TYPE_UNKNOWN = 2;
export const TYPE_CONTROL = 3;
export const TYPE_USER_DEFINED = 4;
export const TYPE_UNUSED = 5;
export const TYPE_BYTE = 6;

export const MERGE_BYTES = 16;

// ── Calls ───────────────────────────────────────────────────────────────────────────────────────────────────────────
export const TOKENIZE_BOS = 1; // begin with the BOS token
export const TOKENIZE_EOS = 2; // end with the EOS token
export const TOKENIZE_CONTROL = 4; // control tokens written out (`<s>`) become themselves; else they stay text
export const TOKENIZE_CONTINUE = 8; // text goes on after other text: no space is put in front of it
export const DETOKENIZE_CONTINUE = 1; // text goes on before these tokens: a leading space stays
export const DETOKENIZE_CONTROL = 2; // control tokens are written out

/** Work memory that always suffices is this much, and this much per byte of text. */
export const TOKENIZE_WORK_FIXED = 512;
export const TOKENIZE_WORK_PER_BYTE = 48;

export const TOKENIZE_BAD_TABLES = -1;
export const TOKENIZE_OUT_FULL = -2;
export const TOKENIZE_WORK_SMALL = -3;
export const TOKENIZE_BAD_TOKEN = -4;
