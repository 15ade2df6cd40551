"""Writes chat_templates.json: what transformers (Jinja2 in its sandbox) makes of conversations under several templates.

    python test/golden/chat_templates.py
"""
import json
import pathlib

import transformers
from transformers.utils.chat_template_utils import _compile_jinja_template

here = pathlib.Path(__file__).parent
TEMPLATES = {
    "smollm2": "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}{{ '<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n' }}{% endif %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}",
    "instruct": """{{ bos_token }}{% set ns = namespace(system='') %}
{%- for message in messages %}
    {%- if message['role'] == 'system' %}
        {%- set ns.system = message['content'] | trim ~ '\n\n' %}
    {%- elif message['role'] == 'user' %}
        {{- '[INST] ' + ns.system + message['content'].strip() + ' [/INST]' }}
        {%- set ns.system = '' %}
    {%- else %}
        {{- ' ' + message['content'] | trim + eos_token }}
    {%- endif %}
{%- endfor %}
""",
    "thinking": """{%- macro turn(role, text) -%}
<{{ role }}>{{ text }}</{{ role }}>
{%- endmacro -%}
{% for message in messages if message.content %}
{% set text = message.content %}
{% if message.role == 'assistant' and '</think>' in text %}{% set text = text.split('</think>')[-1].lstrip('\n') %}{% endif %}
{{ loop.index }}/{{ loop.length }} {{ turn(message.role, text) }}
{% endfor %}
{%- if add_generation_prompt is defined and add_generation_prompt %}<assistant>{% endif %}""",
    "filters": """{% for m in messages | rejectattr('role', 'equalto', 'system') %}{{ loop.index0 }}:{{ m.role | upper }}:{{ m.role | length }}:{{ m.content.split()[:2] | join('+') }}{{ ';' if not loop.last }}{% endfor %}|{{ messages | map(attribute='role') | list | join(',') }}|{{ messages[-1]['content'][:3] | tojson }}|{{ 7 // 2 }} {{ 7 % 4 }} {{ 1 / 2 }} {{ "yes" if none is none and "a" in "abc" }}""",
}
CONVERSATIONS = [
    [("user", "What is the capital of France?")],
    [("system", "  Be brief. "), ("user", "Hi!"), ("assistant", " Hello, \n"), ("user", "What now?\n")],
    [("user", "a <b> & \"c\" 'd'"), ("assistant", "<think>\nhm\n</think>\n\nNo: 漢字 🦙"), ("user", "{{ messages }} {% if %}")],
    [("user", ""), ("assistant", "x"), ("user", "  ")],
]

cases = []
for name, template in TEMPLATES.items():
    compiled = _compile_jinja_template(template)
    for conversation in CONVERSATIONS:
        messages = [{"role": role, "content": content} for role, content in conversation]
        for answer in (True, False):
            text = compiled.render(
                messages=messages, add_generation_prompt=answer, bos_token="<s>", eos_token="<|im_end|>"
            )
            cases.append({"template": name, "messages": messages, "answer": answer, "text": text})

out = {"transformers": transformers.__version__, "templates": TEMPLATES, "cases": cases}
(here / "chat_templates.json").write_text(json.dumps(out, ensure_ascii=False, indent=1) + "\n")
