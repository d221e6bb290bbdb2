"""The verdict in words: what a portfolio manager reads first, and often last."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from backcast.engine.stats.luck import SIZE

BAR = 0.95
"""The deflated probability, and the confidence, from which a result is called better than luck."""

CROSS_VALIDATED = (
    "Cross-validated, not walked forward: models were fitted on data from after what they forecast. A distribution for "
    "choosing, not a track record."
)


@dataclass(frozen=True)
class Verdict:
    """sentence: the verdict; detail: the numbers behind it; level: stop (do not use), doubt, or good; warnings:
    what makes any number on the page look better than it is."""

    sentence: str
    detail: str
    level: str
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class Grounds:
    """What the verdict rests on. Probabilities and Sharpe ratios are None where undefined, and `undefined` says why.

    stopped: why the numbers mean nothing at all, empty where they do; rivals: name and 95 % interval of the Sharpe
    difference (per year) of everything that the strategy has to beat; luck: the trial's p-value by StepM over all trials of
    the log (`engine/stats/luck.py`), which decides where it is known; None where the folder has none, and the far stricter
    deflated probability decides. paths: of a cross-validation the distribution of the Sharpe ratio over its paths, in words;
    empty for a walk forward.
    """

    stopped: str
    undefined: str
    sharpe: float | None
    low: float | None
    high: float | None
    deflated: float | None
    trials: int
    rivals: tuple[tuple[str, float | None, float | None, float | None], ...]
    warnings: tuple[str, ...]
    luck: float | None = None
    paths: str = ""


def judge(grounds: Grounds) -> Verdict:
    """The first that holds: it must not be used; there is nothing to judge; it is no track record; luck; no better than
    a rival; better."""
    if grounds.stopped:
        return Verdict(grounds.stopped, "", "stop", grounds.warnings)
    if grounds.undefined:
        sentence = f"Nothing to judge: {grounds.undefined}."
        return Verdict(sentence, "", "stop", grounds.warnings)
    if grounds.paths:
        return Verdict(CROSS_VALIDATED, grounds.paths, "doubt", grounds.warnings)
    beaten, unbeaten = _rivals(grounds)
    luck = _luck(grounds)
    if luck:
        sentence = f"{luck}, and no better than {_names(unbeaten, 'or')}." if unbeaten else f"{luck}."
        return Verdict(sentence, _numbers(grounds), "doubt", grounds.warnings)
    if unbeaten:
        sentence = f"No better than {_names(unbeaten, 'or')}, though better than luck."
        return Verdict(sentence, _numbers(grounds), "doubt", grounds.warnings)
    better = f", and better than {_names(beaten, 'and')}" if beaten else ""
    return Verdict(f"Better than luck{better}.", _numbers(grounds), "good", grounds.warnings)


def _luck(grounds: Grounds) -> str:
    """The words for a result that luck explains; empty for one that it does not."""
    if grounds.high is not None and grounds.high < 0:
        return "Loses money after costs, beyond what bad luck explains"
    weak = _weak(grounds) or grounds.low is None or grounds.low <= 0
    return "Not distinguishable from luck" if weak else ""


def _weak(grounds: Grounds) -> bool:
    """Whether the search alone could have shown as much."""
    if grounds.luck is not None:
        return grounds.luck > SIZE
    return grounds.deflated is None or grounds.deflated < BAR


def _rivals(grounds: Grounds) -> tuple[list[str], list[str]]:
    """Names of the rivals that were beaten, and of those that were not; one without an interval is neither."""
    known = [(name, low) for name, _, low, _ in grounds.rivals if low is not None]
    return [name for name, low in known if low > 0], [name for name, low in known if low <= 0]


def _numbers(grounds: Grounds) -> str:
    """The numbers behind the verdict, in two or three short sentences."""
    if grounds.sharpe is None or grounds.low is None or grounds.high is None:
        return ""
    interval = f"95% interval {signed(grounds.low)} to {signed(grounds.high)}"
    parts = [f"Net Sharpe {signed(grounds.sharpe)} a year, {interval}."]
    if grounds.luck is not None:
        tried = "1 trial" if grounds.trials == 1 else f"{grounds.trials:,} trials"
        parts.append(f"Chance of luck after {tried}: {chance(grounds.luck)} (StepM, bar {SIZE:.0%}).")
    if grounds.deflated is not None:
        name, tried = (
            ("Deflated", f"{grounds.trials:,} trials") if grounds.trials > 1 else ("Probabilistic", "1 trial")
        )
        bar = f" (bar {BAR:.0%})" if grounds.luck is None else ""
        parts.append(f"{name} Sharpe probability {percent(grounds.deflated)} after {tried}{bar}.")
    for name, estimate, low, high in grounds.rivals:
        if estimate is not None and low is not None and high is not None:
            interval = f"{signed(low, '+')} to {signed(high, '+')}"
            parts.append(f"Sharpe less that of {name}: {signed(estimate, '+')} ({interval}).")
    return " ".join(parts)


def signed(value: float, plus: str = "") -> str:
    """Two decimals with a true minus sign; never a negative zero."""
    text = f"{abs(value):.2f}"
    if float(text) == 0:
        return text
    return f"−{text}" if value < 0 else f"{plus}{text}"


def percent(probability: float) -> str:
    """A probability without a false 0% or 100%, and never rounded up to the bar."""
    if probability > 0.999:
        return "over 99.9%"
    if probability < 0.001:
        return "under 0.1%"
    near = abs(probability - BAR) < 0.005 or not 0.01 <= probability <= 0.99
    return f"{int(probability * 1000) / 1000:.1%}" if near else f"{probability:.0%}"


def chance(p: float) -> str:
    """A p-value in per cent, with as many digits as tell it from the bar."""
    digits = 2 if abs(p - SIZE) < 0.001 else 1 if p < 0.1 else 0
    return f"{p:.{digits}%}"


def _names(names: Sequence[str], joint: str) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} {joint} {names[-1]}"
