/** Templates by name, for models whose file has none: the public forms of three families, with system, user and assistant. */

export interface BuiltinTemplate {
  readonly source: string;
  /** Tokens without which a model cannot have been trained on it. */
  readonly needs: readonly string[];
}

const chatml = `{{ bos_token }}{% for message in messages %}<|im_start|>{{ message.role }}
{{ message.content }}<|im_end|>
{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant
{% endif %}`;

const llama3 = `{{ bos_token }}{% for message in messages %}<|start_header_id|>{{ message.role }}<|end_header_id|>

{{ message.content | trim }}<|eot_id|>{% endfor %}{% if add_generation_prompt %}<|start_header_id|>assistant<|end_header_id|>

{% endif %}`;

/** Gemma has no system turn: its text begins that of the first user. */
const gemma = `{{ bos_token }}{% if messages[0].role == 'system' %}{% set prefix = (messages[0].content | trim) ~ '\\n\\n' %}{% set turns = messages[1:] %}{% else %}{% set prefix = '' %}{% set turns = messages %}{% endif %}{% for message in turns %}<start_of_turn>{{ 'model' if message.role == 'assistant' else message.role }}
{{ (prefix if loop.first else '') ~ (message.content | trim) }}<end_of_turn>
{% endfor %}{% if add_generation_prompt %}<start_of_turn>model
{% endif %}`;

export const builtinTemplates: Readonly<Record<string, BuiltinTemplate>> = {
  chatml: { source: chatml, needs: ["<|im_start|>", "<|im_end|>"] },
  "llama-3": { source: llama3, needs: ["<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"] },
  gemma: { source: gemma, needs: ["<start_of_turn>", "<end_of_turn>"] },
};
