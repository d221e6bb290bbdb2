"""`backcast features`: what it says is what the engine does, and nonsense is one error and exit 2."""

from __future__ import annotations

import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest

from backcast.engine.cli import main
from backcast.engine.features import sheet as feature_sheet
from backcast.engine.features.drawing import Drawing, tree_lines
from backcast.engine.features.sheet import TINY, compiled, example, feature_sets, kind_of, sheets
from backcast.signals.expression import FUNCTIONS, Node
from backcast.signals.feature import FeatureSet

ALPHA = "cs_rank(ts_corr(close, volume, 10)) - cs_rank(delta(close, 5))"
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_list_has_every_function_and_set(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["features", "list"]) == 0
    said = capsys.readouterr().out
    for name in (*FUNCTIONS, *feature_sets()):
        assert name in said


@pytest.mark.parametrize("function", sorted(FUNCTIONS))
def test_every_function_is_shown_with_numbers(function: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["features", "show", function]) == 0
    said = capsys.readouterr().out
    assert FUNCTIONS[function].meaning in said and kind_of(function) in said.lower()
    answer = list(example(function).rows.values())[-1]
    assert np.isfinite(answer).any()


def test_the_numbers_are_right() -> None:
    x = np.array(TINY["x"])
    assert np.array_equal(example("ts_sum").rows["ts_sum(x, 3)"][2:5], [6, 10, 12])
    assert np.array_equal(example("delta").rows["delta(x, 3)"][3:5], x[3:5] - x[:2])
    ranks = example("cs_rank").rows["cs_rank(x)"]
    assert ranks[0] == 1 / 9 and ranks[9] == 1 and np.isnan(ranks[5]) and ranks[3] == ranks[4] == 5.5 / 9


def test_a_set_is_shown_with_look_back_scale_and_cost(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["features", "show", "ohlcv"]) == 0
    said = capsys.readouterr().out
    assert "ts_std(returns(close, 1), 20)" in said and "free of price levels" in said and "21st" in said


def test_an_own_set_in_a_file(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = "backcast.signals.feature.FeatureSet"
    (here / "mine.yaml").write_text(
        f"# mine\n_target_: {target}\nexpressions:\n  a: ts_mean(sales, 3)\n  b: close\n"
    )
    assert main(["features", "show", "mine.yaml"]) == 0
    assert "close, sales" in capsys.readouterr().out
    assert main(["features", "plot", "mine.yaml"]) == 0
    assert (here / "mine.svg").exists()


def test_check_says_what_the_graph_has(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["features", "check", ALPHA]) == 0
    said = capsys.readouterr().out
    for words in (
        "close, volume",
        "9 rows",
        "10th",
        "8 operators, 2 passes",
        "refused on back-adjusted",
        "ns a cell",
    ):
        assert words in said, words
    assert main(["features", "check", "close / ref(close, 20) - 1"]) == 0
    assert "allowed on back-adjusted" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("close", "moves with price:"),
        ("close * volume", "price and volume:"),
        ("log(close)", "log(price)"),
        ("close * close", "price^2"),
        ("close + volume", "no simple way"),
        ("ts_zscore(close, 5)", "free of price levels"),
    ],
)
def test_scale_in_words(text: str, words: str) -> None:
    assert words in sheets(FeatureSet({"f": text}))[0].scale


def test_hints_have_one_place(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def units(tree: Node, text: str) -> list[str]:
        return [f"{text} has no unit"]

    monkeypatch.setattr(feature_sheet, "HINTS", (units,))
    assert main(["features", "check", "close + volume"]) == 0
    assert "Hint        close + volume has no unit" in capsys.readouterr().out


@pytest.mark.parametrize(
    "what", [ALPHA, *sorted(feature_sets()), "1", "close", "close - -1", "where(close > 1, 1, 2)"]
)
def test_a_drawing_holds_every_operator_once(
    what: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["features", "plot", what, "--output", "drawn.svg"]) == 0
    said = capsys.readouterr().out
    assert str((here / "drawn.svg").resolve()) in said
    root = ET.parse(here / "drawn.svg").getroot()
    chosen = feature_sheet.read_set(what) or FeatureSet({"feature": what})
    graph = compiled(chosen)
    shown = [n for i, n in enumerate(graph.nodes) if n.operator != "number" or i in graph.outputs]
    assert len(root.findall(f"{SVG}g")) == len(shown) + len(graph.names)
    drawing = Drawing(graph)
    assert len(root.findall(f"{SVG}path")) == len(drawing.lines)
    width, height = float(root.attrib["width"]), float(root.attrib["height"])
    boxes = [(*drawing.boxes[one][:2], drawing.boxes[one][2]) for one in drawing.column]
    for left, top, wide in boxes:
        assert left >= 0 and left + wide <= width and 0 <= top <= height - 60
    for k, (left, top, wide) in enumerate(boxes):
        for other, above, width_ in boxes[:k]:
            assert abs(top - above) >= 30 or left + wide <= other or other + width_ <= left, "boxes lie apart"


def test_the_tree_reads_from_the_outermost_operator_in() -> None:
    graph = compiled(FeatureSet({"f": "ts_mean(close, 5) / ts_mean(close, 5)"}))
    assert tree_lines(graph, "f") == [
        "x \u00f7 y", "\u251c\u2500 ts_mean(x, 5)", "\u2502  \u2514\u2500 close", "\u2514\u2500 ts_mean(x, 5)  (as above)",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("command", "says"),
    [
        (["check", "close +"], "at character 8"),
        (["check", "ts_mean(close, 0)"], "at character 16"),
        (["check", "ref(close, -1)"], "cannot read the future"),
        (["check", "nothing(close)"], "a known function"),
        (["check", "ts_corr(close, 5)"], "at character"),
        (["check", ""], "EXPR"),
        (["check", "close", "--dataset", "nowhere"], "nowhere"),
        (["plot", "close -"], "at character 8"),
        (["plot", "close", "--output", "x.png"], ".svg"),
        (["plot", "close", "--output", "nowhere/x.svg"], "nowhere"),
        (["show", "nothing"], "features list"),
        (["show", "nowhere.yaml"], "nowhere.yaml"),
    ],
)
def test_nonsense_is_one_error(command: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["features", *command])
    out, err = capsys.readouterr()
    assert code == (3 if "--dataset" in command else 2)
    assert err.startswith("error: ") and says in err and "Traceback" not in err and not out
    assert err.count("error:") == 1


@pytest.mark.parametrize(
    "content", ["[1", "a: 1", "_target_: os.system\nexpressions: {}", "_target_: 5", "\x00"]
)
def test_a_file_that_is_no_set(content: str, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "bad.yaml").write_text(content)
    assert main(["features", "show", "bad.yaml"]) == 2
    assert capsys.readouterr().err.startswith("error: ")


def test_the_command_line_stays_light() -> None:
    code = (
        "import sys; from backcast.engine import cli; from backcast.engine.features import commands; "
        "sys.exit(bool({'numpy', 'numba', 'rich', 'yaml', 'hydra'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
