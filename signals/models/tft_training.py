"""The training loop of the TFT: short, on one thread, fed straight from one array."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from backcast.data.types import Floats, Ints
from backcast.signals.models.base import Progress, Scaler
from backcast.signals.models.tft_network import forward, restore, weights_of

if TYPE_CHECKING:
    import torch

_PREDICTION_BATCH = 1024


@dataclass(frozen=True)
class Schedule:
    """How to train: Adam's rate, falling linearly to zero over `epochs` of at most `samples` rows each; `patience`
    epochs without a better held-out loss end it (0: never)."""

    learning_rate: float
    batch_size: int
    epochs: int
    samples: int
    patience: int


class Windows:
    """The encoder windows of rows (symbol, at) (N,), cut from one scaled array (S * T, F) when asked for."""

    def __init__(
        self, features: Floats, scaler: Scaler, symbol: Ints, at: Ints, lookback: int, device: str
    ) -> None:
        import torch

        scaled = scaler.apply(features).astype(np.float32).transpose(1, 2, 0)
        sessions, count = scaled.shape[1:]
        self._cells = torch.tensor(scaled.reshape(-1, count), device=device)
        self._ends = torch.tensor(symbol * sessions + at, device=device)
        self._lags = torch.arange(1 - lookback, 1, device=device)

    def take(self, rows: torch.Tensor) -> torch.Tensor:
        """Windows (B, L, F) of some rows (B,)."""
        return self._cells[self._ends[rows][:, None] + self._lags]


@dataclass
class Trainer:
    """Adam on the quantile loss with clipped gradients."""

    schedule: Schedule
    network: Any
    windows: Windows
    wanted: torch.Tensor
    order: np.random.Generator

    def train(self, early: Ints, late: Ints, progress: Progress | None) -> None:
        """Every epoch, or until `patience` runs out, when the best epoch's weights are put back."""
        import torch

        plan, size = self.schedule, min(len(early), self.schedule.samples)
        steps = plan.epochs * -(-size // plan.batch_size)
        adam = torch.optim.Adam(self.network.parameters(), lr=plan.learning_rate)
        falling = torch.optim.lr_scheduler.LambdaLR(adam, lambda step: max(0.0, 1.0 - step / steps))
        best, kept, since, done = np.inf, None, 0, 0
        for epoch in range(plan.epochs):
            self.network.train()
            drawn = self.order.permutation(early)[:size]
            for begin in range(0, size, plan.batch_size):
                self._step(drawn[begin : begin + plan.batch_size], adam)
                falling.step()
                done += 1
                if progress is not None:
                    progress(done / steps, f"epoch {epoch + 1} of {plan.epochs}")
            if not len(late):
                continue
            loss = self._held_out_loss(late)
            since += 1
            if loss < best:
                best, kept, since = loss, copy.deepcopy(weights_of(self.network)), 0
            if since >= plan.patience:
                break
        if kept is not None:
            restore(self.network, kept)

    def _step(self, rows: Ints, adam: torch.optim.Adam) -> None:
        import torch

        adam.zero_grad()
        loss = self._loss(rows)
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        adam.step()

    def _loss(self, rows: Ints) -> torch.Tensor:
        """Mean quantile loss of some rows, by pytorch-forecasting's `QuantileLoss`."""
        import torch

        chosen = torch.tensor(rows, device=self.wanted.device)
        out = forward(self.network, self.windows.take(chosen))
        loss: torch.Tensor = self.network.loss.loss(out[:, None], self.wanted[chosen][:, None]).mean()
        return loss

    def _held_out_loss(self, rows: Ints) -> float:
        import torch

        self.network.eval()
        pieces = [rows[i : i + _PREDICTION_BATCH] for i in range(0, len(rows), _PREDICTION_BATCH)]
        with torch.no_grad():
            return sum(float(self._loss(piece)) * len(piece) for piece in pieces) / len(rows)
