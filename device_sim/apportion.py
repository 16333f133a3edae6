"""Sharing a whole number in proportion, exactly: the largest-remainder method."""

from collections.abc import Sequence


def apportion(total: int, weights: Sequence[float]) -> list[int]:
    """Share `total` in proportion to `weights`; the parts are whole and add up to `total`.

    Every part is its quota rounded down; what is left goes, one each, to the largest remainders,
    and among equal remainders to the earlier weight, so that the result never depends on chance.

    Raises:
        ValueError: if `total` or a weight is negative, or no weight is above zero while there is
            something to share.
    """
    if total < 0 or any(weight < 0 for weight in weights):
        message = "neither the total nor a weight may be negative"
        raise ValueError(message)
    whole = sum(weights)
    if not whole:
        if total:
            message = "nothing to share in proportion to: every weight is zero"
            raise ValueError(message)
        return [0] * len(weights)
    quotas = [total * weight / whole for weight in weights]
    parts = [int(quota) for quota in quotas]
    by_remainder = sorted(range(len(parts)), key=lambda i: parts[i] - quotas[i])
    for i in by_remainder[: total - sum(parts)]:
        parts[i] += 1
    return parts
