"""What work costs, from prices per hour that the user gives."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from bench_core.analysis.comparison import Result
from bench_core.core.case import DEVICES
from bench_core.core.errors import OptionError

Prices = Mapping[str, float]
"""The price of an hour by the type of the device, in any currency."""
NO_PRICES: Prices = MappingProxyType({})


def parse_prices(words: Iterable[str]) -> Prices:
    """Prices as written, such as ``cuda=3.5``. Raises ``OptionError`` for anything else."""
    prices: dict[str, float] = {}
    for word in words:
        device, _, amount = word.partition("=")
        try:
            price = float(amount)
        except ValueError:
            price = -1.0
        if device not in DEVICES or not 0.0 <= price < 1e9:
            raise OptionError(f"--price: {word!r} is not a device and its price per hour, such as cuda=3.5")
        prices[device] = price
    return prices


def price_per_million(result: Result, prices: Prices) -> float | None:
    """The price of a million units; ``None`` if that of the device is not known."""
    hour = prices.get(result.case.device_type)
    return None if hour is None else hour * 1e6 * result.record.per_unit / 3600.0
