"""The Temporal Fusion Transformer of pytorch-forecasting, fed with batches of our own.

1. A sample is the decision (s, t): the encoder reads the feature rows t - L + 1 .. t, and one decoder step, which
   reads nothing, is trained on the label of (s, t). No label is ever an input: those of the last rows of a window
   are not known yet at its end.
2. Means and standard deviations of features and label are those of training rows.
3. The network is pytorch-forecasting's; the training loop is short and ours, on one thread, so that a seed fixes
   every bit on a CPU. Batches are indexed straight from one array; its own loader would starve a GPU.
4. Weights are saved as safetensors and everything else as JSON; nothing is unpickled.

torch and pytorch_forecasting are imported where used: they take seconds.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from backcast.data.errors import InputError
from backcast.data.types import Floats, Ints
from backcast.signals.dataset import complete_over
from backcast.signals.models.base import (
    FittedModel,
    ForecastModel,
    Progress,
    Scaler,
    number,
    read_json,
    split_by_time,
    whole,
    write_json,
)
from backcast.signals.models.tft_network import (
    build_network,
    device_of,
    forward,
    one_thread,
    restore,
    seeded,
    weights_of,
)
from backcast.signals.models.tft_training import Schedule, Trainer, Windows
from backcast.signals.types import TrainingSet

MEAN_WEIGHTS = (0.15, 0.225, 0.25, 0.225, 0.15)
"""The mean as a weighted sum of `QUANTILES`: the trapezoid rule over levels, flat beyond the outer two."""


class TFT(ForecastModel):
    """Lim, Arik, Loeff and Pfister 2021, Int. J. Forecasting 37(4): quantile forecasts from a window of features.

    Parameters: `encoder_length` in sessions; `hidden_size`, `attention_head_size`, `hidden_continuous_size` and
    `dropout` as pytorch-forecasting names them; Adam's `learning_rate`, falling linearly to zero over `epochs`;
    `batch_size`; `max_samples_per_epoch`: each epoch draws that many rows anew where there are more; `patience`:
    above 0, the last fifth of training time (purged) is held out, training stops after so many epochs without
    a better loss there, and the best epoch's weights are kept; `device`: cpu, cuda, or
    auto for cuda where there is one (a GPU fixes bits less than law 7 asks, so it is not the default).
    Defaults were chosen on planted signals in noise, 8,000 rows, never on bundled data.
    Raises: InputError for a value out of range.
    """

    name: ClassVar[str] = "tft"
    parallel: ClassVar[bool] = True

    def __init__(
        self,
        encoder_length: int = 20,
        hidden_size: int = 16,
        attention_head_size: int = 2,
        hidden_continuous_size: int = 8,
        dropout: float = 0.1,
        learning_rate: float = 0.01,
        batch_size: int = 256,
        epochs: int = 4,
        max_samples_per_epoch: int = 20_000,
        patience: int = 0,
        device: str = "cpu",
    ) -> None:
        self.lookback = whole("encoder_length", encoder_length, 2, 1000)
        self.shape: dict[str, Any] = {
            "hidden_size": whole("hidden_size", hidden_size, 2, 1024),
            "attention_head_size": whole("attention_head_size", attention_head_size, 1, 64),
            "hidden_continuous_size": whole("hidden_continuous_size", hidden_continuous_size, 1, 1024),
            "dropout": number("dropout", dropout, 0.0, 0.9),
        }
        if hidden_size % attention_head_size:
            raise InputError("model.attention_head_size", attention_head_size, f"a divisor of {hidden_size}")
        self.schedule = Schedule(
            number("learning_rate", learning_rate, 1e-6, 1.0),
            whole("batch_size", batch_size, 1, 1_000_000),
            whole("epochs", epochs, 1, 10_000),
            whole("max_samples_per_epoch", max_samples_per_epoch, 1, 10**9),
            whole("patience", patience, 0, 10_000),
        )
        if device not in ("auto", "cpu", "cuda"):
            raise InputError("model.device", device, "auto, cpu or cuda")
        self.device = device

    def fit(self, train: TrainingSet, seed: int, progress: Progress | None = None) -> FittedTFT:
        """Trains on the rows whose whole window is complete."""
        import torch

        rows = train.rows & complete_over(np.asarray(np.isfinite(train.features).all(axis=0)), self.lookback)
        at, symbol = np.nonzero(rows.T)
        if not len(at):
            raise InputError(
                "model.encoder_length", self.lookback, "a window that some training row completes"
            )
        scaler = Scaler.fit(train.features[:, symbol, at])
        labels = train.labels[symbol, at]
        target = Scaler.fit(labels[None])
        device = device_of(self.device)
        windows = Windows(train.features, scaler, symbol, at, self.lookback, device)
        wanted = torch.tensor(target.apply(labels[None])[0], dtype=torch.float32, device=device)
        early, late = self._parts(at, rows.shape[1] - 1)
        with seeded(seed, device), one_thread():
            network = build_network(self.shape, len(train.names), self.lookback).to(device)
            trainer = Trainer(self.schedule, network, windows, wanted, np.random.default_rng(seed))
            trainer.train(early, late, progress)
        return FittedTFT(train.names, self.lookback, self.shape, (scaler, target), self.device, network)

    def load(self, folder: Path) -> FittedTFT:
        return FittedTFT.load(folder)

    def _parts(self, at: Ints, fit_at: int) -> tuple[Ints, Ints]:
        """Indices of the rows to train on, and of those held out (none without patience)."""
        rows = np.arange(len(at))
        if not self.schedule.patience:
            return rows, rows[:0]
        early, late = split_by_time(at, fit_at, 0.2)
        if not early.stop:
            raise InputError(
                "model.patience",
                self.schedule.patience,
                "0",
                "Training time is too short to hold a part out.",
            )
        return rows[early], rows[late]


class FittedTFT(FittedModel):
    """A trained network and the scalers (features, label) of its training rows."""

    kind: ClassVar[str] = "tft"

    def __init__(
        self,
        names: tuple[str, ...],
        lookback: int,
        shape: dict[str, Any],
        scalers: tuple[Scaler, Scaler],
        device: str,
        network: Any,
    ) -> None:
        self.names, self.lookback, self.shape, self.device = names, lookback, shape, device
        self.scaler, self.target = scalers
        self.network = network.eval()

    def forecast(self, window: Floats) -> tuple[Floats, Floats]:
        """Quantiles that cross are sorted (Chernozhukov et al. 2010); the mean is `MEAN_WEIGHTS` of the sorted."""
        import torch

        # torch.tensor copies into torch's own aligned memory: a matrix product's bits can depend on alignment
        scaled = np.ascontiguousarray(self.scaler.apply(window).transpose(1, 2, 0))
        x = torch.tensor(scaled, dtype=torch.float32, device=device_of(self.device))
        with one_thread(), torch.no_grad():
            out = forward(self.network, x).cpu().numpy().astype(np.float64)
        quantiles = np.sort(out, axis=1) * self.target.std[0] + self.target.mean[0]
        return (quantiles * np.asarray(MEAN_WEIGHTS)).sum(axis=1), quantiles

    def save(self, folder: Path) -> None:
        from safetensors.torch import save_file

        save_file(weights_of(self.network), folder / "weights.safetensors")
        content = {"names": self.names, "lookback": self.lookback, "shape": self.shape, "device": self.device}
        write_json(folder, self.kind, {**content, "scaler": self.scaler, "target": self.target})

    @classmethod
    def load(cls, folder: Path) -> Self:
        from safetensors.torch import load_file

        found = read_json(folder, cls.kind)
        network = build_network(found["shape"], len(found["names"]), found["lookback"])
        restore(network, load_file(folder / "weights.safetensors"))
        scalers = Scaler(**found["scaler"]), Scaler(**found["target"])
        device = found["device"]
        network = network.to(device_of(device))
        return cls(tuple(found["names"]), found["lookback"], found["shape"], scalers, device, network)
