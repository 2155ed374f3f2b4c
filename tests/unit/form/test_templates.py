"""Templates, built-in ones and the user's own."""

from typing import Any

import pytest

from kronkeep_tui.form import templates
from kronkeep_tui.form.draft import new_draft, parse_draft


def test_every_template_makes_a_cronjob(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert templates.template_names() == list(templates.BUILT_IN)
    for name in templates.template_names():
        texts = templates.template_texts(name)
        assert texts is not None
        made = parse_draft(new_draft("vault") | texts | {"name": "x"})
        assert (made.messages, made.spec is not None) == ({}, True)


def test_one_s_own_templates_are_manifests(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    folder = tmp_path / "kronkeep" / "templates"
    folder.mkdir(parents=True)
    (folder / "mine.yaml").write_text("kind: CronJob\nname: x\nimage: alpine\nschedule: 0 5 * * *\n")
    assert templates.template_names()[0] == "mine"
    texts = templates.template_texts("mine")
    assert texts is not None
    assert (texts["image"], texts["schedule"]) == ("alpine", "0 5 * * *")
    assert templates.template_texts("nowhere") is None
