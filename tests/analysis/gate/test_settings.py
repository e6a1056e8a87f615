"""What a project chose for its gate."""

import pytest

from bench_core.analysis.gate.settings import Settings, changed, read
from bench_core.analysis.gate.verdicts import Limits
from bench_core.core.errors import OptionError


def limits(*values):
    """Limits with these values, but for rounding."""
    return pytest.approx(Limits(*values).__dict__)


PROJECT = """
[tool.bench-core.gate]
tests = ["benchmarks", "--bench-workload", "gemm"]
margin = "2%"

[tool.bench-core.gate.cases]
"*lstm*" = { margin = "5%", memory = "20%" }
"*" = { matters = "9 %" }
"""


def test_settings_of_a_project_are_found_from_below(tmp_path):
    (tmp_path / "pyproject.toml").write_text(PROJECT)
    (tmp_path / "a" / "b").mkdir(parents=True)
    settings = read(tmp_path / "a" / "b")
    assert settings.tests == ("benchmarks", "--bench-workload", "gemm")
    assert settings.rules.default.__dict__ == limits(0.02, 0.04, 0.10)
    assert settings.rules.of("lstm_ar_train").__dict__ == limits(0.05, 0.07, 0.20)
    assert settings.rules.of("gemm") == Limits(0.02, 0.09, 0.10)


def test_a_file_has_the_same_keys_at_its_top(tmp_path):
    file = tmp_path / "limits.toml"
    file.write_text("margin = '3%'\ncases = { a = { memory = '1%' } }\n")
    assert read(tmp_path, file).rules.of("a").__dict__ == limits(0.03, 0.05, 0.01)


@pytest.mark.parametrize("content", ["", "[project]\nname = 'x'\n"])
def test_without_settings_there_are_the_defaults(tmp_path, content):
    (tmp_path / "pyproject.toml").write_text(content)
    assert read(tmp_path) == Settings()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("margin = 5", "is not a percentage"),
        ("margin = '0%'", "must be above 0%"),
        ("margin = '-1%'", "is not a percentage"),
        ("margin = '5'", "is not a percentage"),
        ("margn = '5%'", "no limit 'margn'; there are: margin, matters, memory"),
        ("margin = '5%'\nmatters = '4%'", "and matters above margin"),
        ("tests = 'benchmarks'", "is not a list of texts"),
        ("cases = 'x'", "is not a table of tables"),
        ("cases = { a = '5%' }", "is not a table of tables"),
        ("cases = { a = { margin = 5 } }", "cases: a: margin"),
        ("margin", "is not TOML"),
    ],
)
def test_what_is_no_setting_is_refused_with_its_place(tmp_path, content, words):
    file = tmp_path / "limits.toml"
    file.write_text(content)
    with pytest.raises(OptionError, match=words) as refused:
        read(tmp_path, file)
    assert str(file) in str(refused.value)


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(OptionError, match="cannot be read"):
        read(tmp_path, tmp_path / "none.toml")


def test_options_change_the_limits():
    assert changed(Limits(), {"margin": "5%"}, "--margin").__dict__ == limits(0.05, 0.07)
