/**
 * One line per kernel: opcode, then its operands in order (shapes in capitals are matrices in memory; lower case are scalars),
 * then what one unit of work is. Shared by the executor (asc) and the host (tsc). Append only.
 *
 * T rows · O output rows · S sequences · C channels · K columns in · N columns out · V vocabulary · H heads · G key-value heads
 * D head size · F feed-forward. All matrices are dense row-major f32 unless the name says otherwise. `acc`: 1 adds to the output, 0 sets it.
 * Packed weights: f32_r16, f16_r16, bf16_r16 = panels of 16 output rows; q8_0_r8 … q6_k_r8 = blocks of 8 output rows × 32 or 256 k
 * (see src/engine/dtypes/packed).
 */

// embedding: token u32[T], table (V,C), y (T,C) | t c v                                                  unit: a row
export const OP_EMBEDDING_F32 = 1; // table row-major
export const OP_EMBEDDING_F32_R16 = 2;
export const OP_EMBEDDING_F16_R16 = 3;
export const OP_EMBEDDING_Q8_0_R8 = 4;
export const OP_EMBEDDING_Q4_0_R8 = 5;
// token u32[T], dy (T,C), dtable (V,C) | t c v acc                                                       unit: 16 columns of C
export const OP_EMBEDDING_GRAD = 6;

// linear y = x·Wᵀ: x (T,K), w (N,K), y (T,N) | t k n acc                                                 unit: 16 columns of N
export const OP_LINEAR_F32 = 8; // w row-major, packed per call in scratch
export const OP_LINEAR_F32_R16 = 9;
export const OP_LINEAR_F16_R16 = 10;
export const OP_LINEAR_Q8_0_R8 = 11; // x in f32, panels of w decoded
export const OP_LINEAR_Q4_0_R8 = 12;
// x is a quantize record (T, K/32 · 144 bytes); integer dots                                             unit: 16 columns of N
export const OP_LINEAR_I8_Q8_0_R8 = 13;
export const OP_LINEAR_I8_Q4_0_R8 = 14;
// dx = dy·W: dy (T,N), w (N,K), dx (T,K) | t k n acc                                                     unit: 16 columns of K
export const OP_LINEAR_GRAD_X_F32 = 15;
export const OP_LINEAR_GRAD_X_F32_R16 = 16;
export const OP_LINEAR_GRAD_X_F16_R16 = 17;
export const OP_LINEAR_GRAD_X_Q8_0_R8 = 18;
export const OP_LINEAR_GRAD_X_Q4_0_R8 = 19;
// dW = dyᵀ·x: dy (T,N), x (T,K), dw (N,K) row-major | t k n acc                                          unit: 16 columns of K
export const OP_LINEAR_GRAD_W = 20;
// x (T,K), record (T, K/32 · 144 bytes) | t k                                                            unit: a row
export const OP_QUANTIZE = 21;

// adapter_linear y[t] = scale·bank[adapter(t)]·x[t]; no adapter gives 0
// x (T,K), bank (A,N,K), y (T,N), sequences (S) | t s k n adapters acc scaled                            unit: a row
export const OP_ADAPTER_LINEAR = 24;
// dy (T,N), bank (A,N,K), dx (T,K), sequences (S) | t s k n adapters acc scaled                          unit: a row
export const OP_ADAPTER_LINEAR_GRAD_X = 25;
// dy (T,N), x (T,K), dbank (A,N,K), sequences (S) | t s k n adapters acc scaled                          unit: 16 columns of K
export const OP_ADAPTER_LINEAR_GRAD_W = 26;

// x (T,C), w (C), y (T,C), r (T) = 1/√(mean x² + ε) | t c, float eps                                     unit: a row
export const OP_RMS_NORM = 28;
// dy (T,C), x (T,C), w (C), r (T), dx (T,C) | t c acc                                                    unit: a row
export const OP_RMS_NORM_GRAD_X = 29;
// dy (T,C), x (T,C), r (T), dw (C) | t c acc                                                             unit: 16 columns of C
export const OP_RMS_NORM_GRAD_W = 30;

// x (T,H·D), position u32[T], table (context, D) = [cos D/2 | sin D/2], y (T,H·D) | t heads d context inverse   unit: a row
export const OP_ROPE = 32;
// x (T,C), cache (caches·capacity, C), position u32[T], sequence u32[T], sequences (S) | t c s context caches capacity    unit: a row
export const OP_CACHE_WRITE = 33;
// q (T,H·D), k, v, out (T,H·D), lse (T,H), position u32[T], sequence u32[T], sequences (S) | t s heads kv_heads d context caches window capacity, float scale
// context = 0: keys are the batch's own rows (T,G·D); else k and v are caches (caches·capacity, G·D)     unit: (kv head, row, head of the group)
export const OP_ATTENTION = 34;
// q, k, v, out, dout (T,H·D), lse (T,H), dq (T,H·D), delta (T,H), sequence u32[T], sequences | t s heads kv_heads d window, float scale   unit: (head, row)
export const OP_ATTENTION_GRAD_Q = 35;
// q, k, v, dout, lse, delta, dk (T,G·D), dv (T,G·D), sequence u32[T], sequences | t s heads kv_heads d window, float scale   unit: (kv head, row)
export const OP_ATTENTION_GRAD_KV = 36;

// gate (T,F), up (T,F), y (T,F) | t f          y = gate·σ(gate)·up                                        unit: a row
export const OP_SWIGLU = 38;
// dy, gate, up, dgate, dup (T,F) | t f                                                                   unit: a row
export const OP_SWIGLU_GRAD = 39;

// logits (O,V), target u32[O], weight (O), loss (O), lse (O) | o v     loss = weight·(lse − logit[target])   unit: a row
export const OP_CROSS_ENTROPY = 41;
// logits (O,V), target u32[O], weight (O), lse (O), dloss (O), dlogits (O,V) | o v                       unit: a row
export const OP_CROSS_ENTROPY_GRAD = 42;
// x (T,C), index u32[O], y (O,C) | t o c                                                                 unit: an output row
export const OP_GATHER = 43;
// dy (O,C), index u32[O], dx (T,C) | t o c acc                                                           unit: 16 columns of C
export const OP_SCATTER_ADD = 44;
// logits (O,V), token u32[O], output_row u32[O], sequence u32[T], sequences, history u32 (caches,context)
//   | o v stream seed step t s context caches top_k, float temperature repetition_penalty top_p min_p     unit: a row
export const OP_SAMPLE = 45;

// x (n), pieces (P) | n        sum of squares of each piece of 4096, in a fixed order                     unit: a piece
export const OP_SUM_SQUARES = 48;
// pieces (P), weight sum (1), schedule (8) | p, float max_norm beta1 beta2     see optimizer.ts           unit: 1
export const OP_OPTIMIZER_SCHEDULE = 49;
// parameter (n), gradient (n), m (n), v (n), schedule (8) | n, float learning_rate beta1 beta2 eps weight_decay   unit: 1024 elements
// and clears the gradient
export const OP_ADAMW = 50;

// Primitives of the expand pass. Matrices (R,C); b is (R,C), (1,C), (R,1) or (1,1): its strides are scalars in elements.
// a (R,C), b, y (R,C) | r c b_row_stride b_column_stride                                                 unit: a row
export const OP_ADD = 56;
export const OP_SUB = 57;
export const OP_MUL = 58;
export const OP_DIV = 59;
export const OP_LESS_EQUAL = 60; // 1 or 0
export const OP_EQUAL = 61;
// condition (R,C), a (R,C), b (R,C), y (R,C) | r c                                                       unit: a row
export const OP_SELECT = 62;
// x (R,C), y (R,C) | r c                                                                                 unit: a row
export const OP_EXP = 63;
export const OP_LOG = 64;
export const OP_RSQRT = 65;
// x (R,C), y (R,1) | r c       ascending column order                                                    unit: a row
export const OP_SUM_COLUMNS = 66;
export const OP_MAX_COLUMNS = 67;
// x (R,C), y (1,C) | r c acc   ascending row order                                                       unit: 16 columns
export const OP_SUM_ROWS = 68;
// batched y[b] = a[b]·b[b]: a, b, y | batch m n k  then strides in elements: a_batch a_row a_column b_batch b_row b_column | acc   unit: a row of a batch (batch·m)
export const OP_MATMUL = 69;
// x, y | up to four extents, then four element strides of x (0 repeats); y dense     d0 d1 d2 d3 s0 s1 s2 s3 offset   unit: an index of d0
export const OP_COPY = 70;
// y (n) | n, float value                                                                                 unit: 1024 elements
export const OP_FILL = 71;
// x u32[n], y f32[n] | n                                                                                 unit: 1024 elements
export const OP_CAST_U32_F32 = 72;
// y f32 (R,C) | r c axis       0, 1, 2 … along rows (axis 0) or columns (axis 1)                          unit: a row
export const OP_IOTA = 73;
// state (n) += x (n) | n                                                                                 unit: 1024 elements
export const OP_ACCUMULATE = 74;

// More weight dtypes: bf16_r16, then q4_1_r8 … q6_k_r8; operands and units as of the kernels of the same name above.
export const OP_EMBEDDING_BF16_R16 = 76;
export const OP_LINEAR_BF16_R16 = 77;
export const OP_LINEAR_GRAD_X_BF16_R16 = 78;
export const OP_EMBEDDING_Q4_1_R8 = 79;
export const OP_LINEAR_Q4_1_R8 = 80;
export const OP_LINEAR_I8_Q4_1_R8 = 81;
export const OP_LINEAR_GRAD_X_Q4_1_R8 = 82;
export const OP_EMBEDDING_Q5_0_R8 = 83;
export const OP_LINEAR_Q5_0_R8 = 84;
export const OP_LINEAR_I8_Q5_0_R8 = 85;
export const OP_LINEAR_GRAD_X_Q5_0_R8 = 86;
export const OP_EMBEDDING_Q5_1_R8 = 87;
export const OP_LINEAR_Q5_1_R8 = 88;
export const OP_LINEAR_I8_Q5_1_R8 = 89;
export const OP_LINEAR_GRAD_X_Q5_1_R8 = 90;
export const OP_EMBEDDING_Q4_K_R8 = 91;
export const OP_LINEAR_Q4_K_R8 = 92;
export const OP_LINEAR_I8_Q4_K_R8 = 93;
export const OP_LINEAR_GRAD_X_Q4_K_R8 = 94;
export const OP_EMBEDDING_Q5_K_R8 = 95;
export const OP_LINEAR_Q5_K_R8 = 96;
export const OP_LINEAR_I8_Q5_K_R8 = 97;
export const OP_LINEAR_GRAD_X_Q5_K_R8 = 98;
export const OP_EMBEDDING_Q6_K_R8 = 99;
export const OP_LINEAR_Q6_K_R8 = 100;
export const OP_LINEAR_I8_Q6_K_R8 = 101;
export const OP_LINEAR_GRAD_X_Q6_K_R8 = 102;
// gate (T,F), up (T,F), y (T,F) | t f          y = gelu(gate)·up, tanh form                               unit: a row
export const OP_GEGLU = 106;
// dy, gate, up, dgate, dup (T,F) | t f                                                                   unit: a row
export const OP_GEGLU_GRAD = 107;

// The KV cache in other dtypes, operands as above; the rows of a cache as in cache.ts
export const OP_CACHE_WRITE_F16 = 110;
export const OP_CACHE_WRITE_Q8_0 = 111;
export const OP_ATTENTION_F16 = 112;
export const OP_ATTENTION_Q8_0 = 113;

// token u32[T], history u32 (caches,context), position u32[T], sequence u32[T], sequences | t s context caches   unit: a row
export const OP_HISTORY_WRITE = 118;
export const OPCODES = 128;
