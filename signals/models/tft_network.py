"""pytorch-forecasting's network as the TFT uses it: built from a few numbers, fed with windows, its bits pinned."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from backcast.data.errors import InputError
from backcast.signals.types import QUANTILES

if TYPE_CHECKING:
    import torch


def build_network(shape: dict[str, Any], features: int, lookback: int) -> Any:
    """pytorch-forecasting's network: real inputs in the encoder only, `QUANTILES` out, in scaled units."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # advice about Lightning checkpoints, which are not used
        import torch
        from pytorch_forecasting.metrics import QuantileLoss
        from pytorch_forecasting.models import TemporalFusionTransformer

        names = [
            f"x{i}" for i in range(features)
        ]  # a feature's own name may hold characters that torch refuses
        return TemporalFusionTransformer(
            **shape,
            output_size=len(QUANTILES),
            max_encoder_length=lookback,
            loss=QuantileLoss(list(QUANTILES)),
            logging_metrics=torch.nn.ModuleList(),
            output_transformer=_as_it_is,
            x_reals=names,
            time_varying_reals_encoder=names,
        )


def _as_it_is(out: dict[str, torch.Tensor]) -> torch.Tensor:
    return out["prediction"]


def forward(network: Any, x: torch.Tensor) -> torch.Tensor:
    """Quantiles (B, Q) of windows x (B, L, F)."""
    import torch

    batch, length, count = x.shape
    empty = torch.zeros((batch, length + 1, 0), dtype=torch.long, device=x.device)
    ones = torch.ones(batch, dtype=torch.long, device=x.device)
    out: torch.Tensor = network(
        {
            "encoder_cont": x,
            "decoder_cont": torch.zeros((batch, 1, count), device=x.device),
            "encoder_cat": empty[:, 1:],
            "decoder_cat": empty[:, :1],
            "encoder_lengths": ones * length,
            "decoder_lengths": ones,
            "target_scale": None,
        }
    )["prediction"]
    return out[:, 0]


def weights_of(network: Any) -> dict[str, torch.Tensor]:
    """Every parameter once, though the network shares some under several names."""
    return {name: weight.detach().cpu().contiguous() for name, weight in network.named_parameters()}


def restore(network: Any, weights: dict[str, torch.Tensor]) -> None:
    import torch

    own = dict(network.named_parameters())
    if own.keys() != weights.keys():
        raise InputError("model", sorted(own.keys() ^ weights.keys()), "the weights of this network")
    with torch.no_grad():
        for name, weight in own.items():
            weight.copy_(weights[name])


def device_of(device: str) -> str:
    import torch

    if device == "cuda" and not torch.cuda.is_available():
        raise InputError("model.device", device, "a device that torch finds here", "Set model.device=cpu.")
    return "cuda" if device != "cpu" and torch.cuda.is_available() else "cpu"


@contextmanager
def one_thread() -> Iterator[None]:
    """Two threads give other bits than one."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def seeded(seed: int, device: str) -> Iterator[None]:
    """torch's global random state, set for initial weights and dropout and put back after."""
    import torch

    with torch.random.fork_rng(devices=[torch.cuda.current_device()] if device == "cuda" else []):
        torch.manual_seed(seed)
        yield
