"""Writes docs/leaks.md from the pairs themselves.

python -m zoo.catalogue          writes the file
python -m zoo.catalogue --check  says whether it is what the pairs say, and exits with 1 where it is not
"""

from __future__ import annotations

import sys
from importlib import import_module
from inspect import getdoc
from pathlib import Path
from typing import Any

from zoo.families import FAMILIES, RUNS
from zoo.pair import Pair

PAGE = Path(__file__).parents[2] / "docs" / "leaks.md"
WIDTH = 126

HEAD = """# How a strategy sees the future

The catalogue of the zoo (`benchmarks/zoo`): {count} planted leaks, each a small strategy with an honest twin that differs by
the fix only. `make zoo` asks the audit at both levels, and two simpler methods, about every one of them and prints what they
said; `make zoo ZOO="--pair {first}"` asks about one. This page is written by `python -m zoo.catalogue` from the
strategies' own words, and a test holds it to them.

Of each leak: what it is, how it comes about, how the twin does it. **Layer** is where it enters, which is what an audit must
name; **through** is the table whose future it reads; **depth** how many bars ahead it looks, where that is one number;
**hides** is what keeps it out of sight of a method that samples.

The layers, in causal order: a leak belongs to the first that is wrong, whatever it moves afterwards.

{layers}

Seven twins were not honest when they were first written, and the audit said so before we knew: three filled the returns of
names that had not been listed yet with zero and ranked them among the others, four ranked names by facts of theirs before they
had a price. Who will be listed is the future, too.
"""

LAYER = {
    "data": "values and the times at which they are said to have been known, of bars, facts and actions",
    "universe": "who is there and who is who: members, survivors, listings and delistings, tickers",
    "features": "what is computed from the data for a row, before anything is learnt",
    "labels": "the answers that a model learns from: over which rows they run, and from when on they are known",
    "fit": "what a model learnt: parameters, scalers, encoders, choices of features, penalties and seeds",
    "forecasts": "what a model says, given its features and its parameters",
    "targets": "which weights are held, given the forecasts",
    "execution": "when, where and at what price an order fills, or which bar's return a weight earns",
    "account": "what the fills come to: cash, costs, dividends, what a delisting pays",
    "selection": "which of several configurations is shown, and by which sessions it was chosen",
}
"""What belongs to which layer."""

SEEN = {
    "bars": "bars after an instant are cut off or changed",
    "facts": "facts known after an instant are cut off or changed",
    "membership": "changes of the index known after an instant are cut off or changed",
    "actions": "splits, dividends and delistings known after an instant are cut off or changed",
}
MOVES = {
    "features": "features up to it move",
    "forecasts": "forecasts up to it move while the features stand still",
    "targets": "weights up to it move while what they are made of stands still",
}
SAME_BAR = (
    "weights stand still; the returns pay them for a bar that was over, or nearly so, when they were decided"
)


def page() -> str:
    """The whole page."""
    pairs = [(module, import_module(f"zoo.{module}")) for module in (*FAMILIES, *RUNS)]
    count = sum(len(module.PAIRS) for _, module in pairs)
    layers = "\n".join(line for name, what in LAYER.items() for line in _wrapped(f"- **{name}**: {what}"))
    head = HEAD.format(count=count, first=pairs[0][1].PAIRS[0].name, layers=layers)
    return "\n".join([head, *(line for _, module in pairs for line in _family(module))])


def _family(module: Any) -> list[str]:
    doc = (getdoc(module) or "").split("\n")[0]
    title = module.__name__.rpartition(".")[2].replace("_", " ").capitalize()
    return [f"## {title}", "", doc, "", *(line for pair in module.PAIRS for line in _entry(pair))]


def _entry(pair: Pair) -> list[str]:
    """One pair: title, story, fix, how it is seen."""
    first, _, story = pair.leak.text.partition("\n")
    told = " ".join(story.split())
    facts = [f"Layer: {pair.layer}"]
    facts += [f"through: {pair.through}"] if pair.through else []
    facts += [f"depth: {pair.depth}"] if pair.depth is not None else []
    facts += [f"hides: {pair.hides}"] if pair.hides else []
    lines = [f"### {pair.name}", "", *_wrapped(f"**{first}** {told}".rstrip()), ""]
    lines += [*_wrapped(f"Honest: {' '.join(pair.honest.text.split())}"), ""]
    return [*lines, *_wrapped(f"{'; '.join(facts)}. Seen: {seen(pair)}."), ""]


def seen(pair: Pair) -> str:
    """How an audit sees it, from where it enters and through what."""
    if pair.layer in MOVES:
        return f"{SEEN.get(pair.through, 'what is known after an instant is cut off or changed')}, and {MOVES[pair.layer]}"
    return SAME_BAR if pair.layer == "execution" else f"by the run's own audit of its {pair.layer}"


def _wrapped(text: str) -> list[str]:
    lines, line = [], ""
    for word in text.split():
        if line and len(line) + 1 + len(word) > WIDTH:
            lines.append(line)
            line = word
        else:
            line = f"{line} {word}".strip()
    return [*lines, line]


def main() -> int:
    text = page()
    if "--check" in sys.argv:
        same = PAGE.exists() and PAGE.read_text() == text
        print(f"{PAGE}: {'as the pairs say' if same else 'not what the pairs say: python -m zoo.catalogue'}")
        return 0 if same else 1
    PAGE.write_text(text)
    print(f"Written: {PAGE}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
