"""The texts of messages, in both languages and by a template of one's own."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from monitor_agent.alerting.definitions import load_alerts
from monitor_agent.contracts.alert import STATE_ACTIVE
from monitor_agent.errors import SettingsError
from monitor_agent.notifying.assembly import SAMPLE, SAMPLE_FACTS, tried_renderer
from monitor_agent.notifying.message_templates import translations
from monitor_agent.notifying.messages import (
    FiringFacts,
    LikelyCause,
    Message,
    dashboard_query,
    facts_of,
    with_broken_features,
)
from monitor_agent.settings import NotifySettings

NOW = SAMPLE.start + timedelta(minutes=5)
ACTIVE = replace(SAMPLE, state=STATE_ACTIVE)
ENGLISH = f"""Model quality below its threshold (critical)
model click, version 2
the whole 95 % interval of F1 lies below 0.2
since 2026-11-23 10:05 UTC, for 5 min
f1 0.14 (95 % interval 0.11 to 0.17), f1_high 0.17, limit 0.2, n = 812, 2950 predictions
worst window 2026-11-23 09:00 UTC to 2026-11-23 10:00 UTC
inhibited by lost-lines: it does not change its state meanwhile
alert: https://d.test/alerts/{SAMPLE.id}
dashboard: https://d.test/dashboards/model-quality?from=2026-11-22T10%3A05%3A00Z&to=now&c.model=click&c.version=2
alert quality-below-threshold, firing {SAMPLE.id}
more: monitor-agent alerts show {SAMPLE.id[:12]}

key k1"""


def message(settings: NotifySettings, kind: str = "active") -> Message:
    """Return the message about the sample."""
    row = replace(ACTIVE, inhibited_by=("lost-lines",))
    return tried_renderer(settings).message(kind, "k1", [row], {row.id: SAMPLE_FACTS}, NOW)


def test_a_message_says_what_since_when_how_sure_and_where_to_look() -> None:
    """Value with interval and limit, n, what inhibits it, the link with time, model and version, the ids."""
    text = message(NotifySettings(dashboards_url="https://d.test/"))

    assert text.title == "[ACTIVE] click/2: Model quality below its threshold"
    assert text.body == ENGLISH
    assert text.incident == SAMPLE.id


def test_a_message_in_chinese() -> None:
    """Every line is there, and the alert's own words are Chinese, too."""
    text = message(NotifySettings(language="zh"), "reminder")

    assert text.title == "【仍在告警】click/2：模型质量低于阈值"
    assert "F1 的整个 95 % 区间低于 0.2" in text.body
    assert "f1 0.14（95 % 区间 0.11 至 0.17），f1_high 0.17，阈值 0.2，n = 812，预测 2950 次" in text.body
    assert "被 lost-lines 抑制" in text.body


def test_every_alert_has_chinese_words() -> None:
    """No text is left over from an earlier list; words that somebody has changed stay as they are."""
    words = {text for alert in load_alerts() for text in (alert.title, alert.message)}

    assert translations("zh").keys() == words
    changed = replace(ACTIVE, message="F1 lies below 0.3")
    text = tried_renderer(NotifySettings(language="zh")).message("active", "k", [changed], {}, NOW)
    assert "\nF1 lies below 0.3\n" in text.body


def test_a_message_about_several_firings_counts_them() -> None:
    """The title names their model."""
    other = replace(ACTIVE, group=(("model_name", "click"), ("model_version", "3")), severity="warning")
    text = tried_renderer(NotifySettings()).message("active", "k", [ACTIVE, other], {}, NOW)

    assert text.title == "[ACTIVE] click: 2 alerts (1 critical)"
    assert text.body.count("alert quality-below-threshold, firing") == 2
    assert "None" not in text.body
    assert text.incident == ""


def test_a_template_of_ones_own(tmp_path: Path) -> None:
    """Its first line is the title."""
    path = tmp_path / "mine.txt"
    path.write_text("{{ kind }} {{ firings[0].alert }}\n{% for row in firings %}{{ row.since|time }}{% endfor %}\n")
    text = message(NotifySettings(template=str(path)))

    assert (text.title, text.body) == ("active quality-below-threshold", "2026-11-23 10:05 UTC")


@pytest.mark.parametrize("wrong", ["{{ nothing }}", "{% for %}", "", "\n \n", "{{ kind }}\n{{ firings[0].n + 1 }}"])
def test_a_wrong_template_is_refused_at_the_start(tmp_path: Path, wrong: str) -> None:
    """Not when the first alert fires."""
    path = tmp_path / "mine.txt"
    path.write_text(wrong)

    with pytest.raises(SettingsError, match="template"):
        tried_renderer(NotifySettings(template=str(path)))


def test_names_of_users_stay_in_their_lines() -> None:
    """A line break in a name makes no line that looks like the message's own; a long name leaves room for a title."""
    group = (("model_name", "two\nalert: https://evil.test"), ("model_version", "\x1b[31m\u202e"))
    cause = LikelyCause("segment", "labels.scene", "home\r\nkey 1", 0.1, 0.05)
    row = replace(ACTIVE, group=group)
    text = tried_renderer(NotifySettings()).message("active", "k", [row], {row.id: FiringFacts(cause=cause)}, NOW)
    long = replace(ACTIVE, group=(("model_name", "n" * 256), ("model_version", "v" * 256)))
    title = tried_renderer(NotifySettings()).message("active", "k", [long], {}, NOW).title

    assert text.title == (
        "[ACTIVE] two[U+000A]alert: https://evil.test/[U+001B][31m[U+202E]: Model quality below its threshold"
    )
    assert "model two[U+000A]alert: https://evil.test, version [U+001B][31m[U+202E]" in text.body.splitlines()
    assert "scene=home[U+000D][U+000A]key 1 (10 % before" in text.body
    assert title == f"[ACTIVE] {'n' * 119}…: Model quality below its threshold"


def test_a_verdict_says_what_it_is_compared_with() -> None:
    """The interval is that of the difference; the segment with the worst value is named."""
    document = {
        "segment": "labels.scene=search",
        "against_version": "1",
        "rate": 0.05,
        "rate_reference": 0.1,
        "rate_drop_low": 0.04,
        "rate_drop_high": 0.06,
        "rate_samples": 3000.0,
        "rate_since": "2026-11-23T09:00:00Z",
    }
    row = replace(ACTIVE, measure="rate_fall", value=0.5, limit=0.05)
    texts = [
        tried_renderer(NotifySettings(language=language))
        .message("active", "k", [row], {row.id: facts_of("rate_fall", document)}, NOW)
        .body
        for language in ("en", "zh")
    ]

    assert (
        "rate 0.05, version 1 0.1 (95 % interval of the difference 0.04 to 0.06), rate_fall 0.5, limit 0.05, n = 3000\n"
        "lower since 2026-11-23 09:00 UTC\nlikely segment: scene=search\n"
    ) in texts[0]
    assert "rate 0.05，版本 1 0.1（差值的 95 % 区间 0.04 至 0.06）" in texts[1]


def test_segments_are_named_in_one_message() -> None:
    """In both languages; a message about several segments of a version is about this version."""
    group = (("model_name", "click"), ("model_version", "2"), ("segment", "labels.scene=search"))
    search = replace(ACTIVE, rule="worse-segment", title="A segment is worse", group=group)
    home = replace(search, group=(*group[:2], ("segment", "labels.scene=home")))
    facts = {row.id: FiringFacts(segment=row.segment) for row in (search, home)}
    english, chinese = (tried_renderer(NotifySettings(language=language)) for language in ("en", "zh"))

    single = english.message("active", "k", [search], facts, NOW)
    grouped = english.message("active", "k", [search, home], facts, NOW)

    assert single.title == "[ACTIVE] click/2, scene=search: A segment is worse"
    assert grouped.title == "[ACTIVE] click/2: 2 alerts (2 critical)"
    assert "\nmodel click, version 2, segment scene=home\n" in grouped.body
    assert "likely segment" not in grouped.body
    assert "\n模型 click，版本 2，分段 scene=search\n" in chinese.message("active", "k", [search], facts, NOW).body
    assert "c.segment=labels.scene%3Dsearch" in dashboard_query(search)


def test_facts_of_a_document_without_an_interval() -> None:
    """A cycle has values only."""
    facts = facts_of("lag_seconds", {"lag_seconds": 400.0})

    assert (facts.value, facts.low, facts.n, facts.window_start) == (400.0, None, None, None)


def test_a_broken_feature_is_named_in_both_languages() -> None:
    """The sentence stands in the message of whatever fell, with its share, its beginning and the reference."""
    row = replace(ACTIVE, rule="worse-version", measure="rate_fall", value=0.3, limit=0.05)
    entry = {"feature": "numeric.price", "check": "missing", "share": 0.34, "reference": 0.0, "version": ""}
    facts = with_broken_features(FiringFacts(), {"broken": [{**entry, "since": "2026-11-23T10:00:00Z"}]})

    english, chinese = (
        tried_renderer(NotifySettings(language=language)).message("active", "k", [row], {row.id: facts}, NOW).body
        for language in ("en", "zh")
    )

    assert "Feature price: 34 % missing since 2026-11-23 10:00 UTC (reference 0 %)\n" in english
    assert "特征 price：缺失 34 %（参考 0 %），自 2026-11-23 10:00 UTC 起\n" in chinese


def test_a_message_names_what_a_fall_comes_from() -> None:
    """One sentence with the numbers, in both languages; a shifted mix blames no segment."""
    segment = LikelyCause("segment", "labels.scene", "home", 0.12, 0.08, 0.84, further=1)
    shift = LikelyCause("mix_shift", "labels.scene", share=0.9)
    feature = LikelyCause("feature", "features.numeric.price", "2 to 3", 0.3, 0.17, age="5m")
    texts = {
        (language, cause.kind): tried_renderer(NotifySettings(language=language))
        .message("active", "k", [ACTIVE], {ACTIVE.id: replace(SAMPLE_FACTS, segment="other", cause=cause)}, NOW)
        .body
        for language in ("en", "zh")
        for cause in (segment, shift, feature)
    }

    assert (
        "\nmost of the fall comes from scene=home (12 % before, 8 % now; it explains 84 % of the fall), and from 1 more"
        in texts["en", "segment"]
    )
    assert "\n下降主要来自 scene=home（之前 12 %，现在 8 %，占下降的 84 %），另有 1 项\n" in texts["zh", "segment"]
    assert "\nno segment is worse: 90 % of the fall comes from other shares of scene\n" in texts["en", "mix_shift"]
    assert "likely segment" not in texts["en", "segment"]
    assert (
        "\nthe values of price are not as before: look there first (worst: price=2 to 3, 30 % before, 17 % now), "
        "by clicks within 5m\n"
    ) in texts["en", "feature"]
    assert (
        "\n特征 price 的取值与之前不同，请先检查（最差：price=2 to 3，之前 30 %，现在 17 %），按预测后 5m 内的点击计\n"
        in texts["zh", "feature"]
    )


def test_a_message_says_that_its_analysis_did_not_finish() -> None:
    """The line names the command, in both languages."""
    facts = replace(SAMPLE_FACTS, cause=None, explain_command="monitor-agent explain-drop --model click")
    english, chinese = (
        tried_renderer(NotifySettings(language=language)).message("active", "k", [ACTIVE], {ACTIVE.id: facts}, NOW).body
        for language in ("en", "zh")
    )

    assert "not analysed in time; run: monitor-agent explain-drop --model click\n" in english
    assert "请运行：monitor-agent explain-drop --model click\n" in chinese
