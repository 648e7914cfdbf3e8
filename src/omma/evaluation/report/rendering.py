"""The templates of pages: everything is escaped, a missing name is an error, and all pages share one look."""

from __future__ import annotations

import jinja2

from omma.evaluation.report.numbers import FILTERS

SHARED = "omma.evaluation.report"
"""The package whose templates (base.css among them) all pages may include."""


def page_templates(package: str = SHARED) -> jinja2.Environment:
    """The templates of a package, beside the shared ones, with the filters that write numbers for people."""
    loaders = [jinja2.PackageLoader(name, "templates") for name in dict.fromkeys((package, SHARED))]
    environment = jinja2.Environment(
        loader=jinja2.ChoiceLoader(loaders),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(FILTERS)
    return environment
