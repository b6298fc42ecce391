"""The templates of messages and summaries, and the translations of the alerts that come with the product."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from monitor_agent.errors import SettingsError, in_one_line
from monitor_agent.extras import NOTIFICATIONS, loading
from monitor_agent.pipeline.broken_features import in_percent
from monitor_agent.settings import NotifySettings

TEMPLATES = Path(__file__).parent / "templates"


def message_template(settings: NotifySettings) -> Any:
    """Return the template of messages about alerts, a compiled template of Jinja.

    Raises
    ------
    SettingsError
        If the template of the settings cannot be read, or is none.
    """
    path = Path(settings.template) if settings.template else TEMPLATES / f"{settings.language}.txt"
    with loading(NOTIFICATIONS):
        import jinja2
    try:
        return _environment(settings.language).from_string(path.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise SettingsError(f"{path} cannot be read ({reason})", "correct MONITOR_NOTIFY_TEMPLATE") from error
    except jinja2.TemplateError as error:
        raise SettingsError(f"{path} is no template: {in_one_line(error)}", "correct the file") from error


def summary_template(settings: NotifySettings) -> Any:
    """Return the template of the summaries, a compiled template of Jinja."""
    path = TEMPLATES / f"summary_{settings.language}.txt"
    return _environment(settings.language).from_string(path.read_text(encoding="utf-8"))


def translations(language: str) -> Mapping[str, str]:
    """Return the titles and messages of the installed alerts in a language, by the English ones; empty for English.

    A text that somebody has changed in a list of alerts has no translation.
    """
    path = TEMPLATES / f"{language}.json"
    by_english: dict[str, str] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return by_english


def _environment(language: str) -> Any:
    with loading(NOTIFICATIONS):
        import jinja2
    environment = jinja2.Environment(
        trim_blocks=True, lstrip_blocks=True, autoescape=False, undefined=jinja2.StrictUndefined
    )
    by_english = translations(language)
    environment.filters.update(
        time=_time,
        number=_text_of_number,
        percent=in_percent,
        change=_text_of_change,
        translated=lambda text: by_english.get(text, text),
    )
    return environment


def _time(moment: datetime | None) -> str:
    return "" if moment is None else moment.astimezone(timezone.utc).strftime("%Y-%m-%d %H:%M UTC")


def _text_of_number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"


def _text_of_change(share: float | None) -> str:
    """Return a change as people write it.

    >>> _text_of_change(-0.0321), _text_of_change(0.0)
    ('-3.2 %', '+0.0 %')
    """
    return "" if share is None else f"{100 * share:+.1f} %"
