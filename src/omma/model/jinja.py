"""The Jinja that chat templates are written in, see `omma.model.template.Template.jinja`."""

from __future__ import annotations

import json
from string import Template as StringTemplate

BEGUN = """\
{%- macro begun(content) -%}
  {%- set first = namespace(is='words' if content is string and content else '') -%}
  {%- for item in ([] if content is string else content) -%}
    {%- if not first.is -%}
      {%- set first.is = 'picture' if item.type != 'text' else ('words' if item.text else '') -%}
    {%- endif -%}
  {%- endfor -%}
  {{- first.is -}}
{%- endmacro -%}
"""
"""A macro: with what a turn begins, ``words`` or ``picture``, if with anything."""
CONVERSATION = StringTemplate("""\
{%- macro said(content, words) -%}
  {%- if content is string -%}
    {{- content if words else '' -}}
  {%- else -%}
    {%- for item in content -%}
      {%- if item.type == 'text' -%}
        {{- item.text if words else '' -}}
      {%- else -%}
        {{- $image -}}
        {%- if words and not loop.last and (loop.nextitem.type != 'text' or loop.nextitem.text[:1] != '\\n') -%}
          {{- $line -}}
        {%- endif -%}
      {%- endif -%}
    {%- endfor -%}
  {%- endif -%}
{%- endmacro -%}
{%- if not messages or messages[0].role != 'system' -%}
  {{- $default -}}
{%- endif -%}
{%- for message in messages -%}
  {%- if message.role == 'system' -%}
    {%- if said(message.content, $words) -%}
      {{- $system -}}
    {%- endif -%}
  {%- elif message.role == 'user' -%}
    {{- $user -}}
  {%- elif message.role == 'assistant' -%}
    {{- $assistant -}}
  {%- else -%}
    {{- raise_exception('expected the role system, user or assistant, found ' ~ message.role) -}}
  {%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}
  {{- $generation -}}
{%- endif -%}
""")
"""A conversation, but for what surrounds the words of each role."""


def quoted(text: str) -> str:
    """A Jinja string literal (JSON's escapes mean the same there)."""
    return json.dumps(text, ensure_ascii=False)
