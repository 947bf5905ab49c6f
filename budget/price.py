"""What a model's tokens cost: whole pico-dollars inside, so that no fraction is lost; micro-dollars outside."""

from __future__ import annotations

from dataclasses import dataclass

PICO_PER_MICRO = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """Pico-dollars (1e-12 US dollars) for one token of each kind, in a request by itself or in a batch."""

    input: int
    output: int
    cache_read: int
    cache_write: int
    cache_write_1h: int

    @property
    def highest(self) -> int:
        return max(self.input, self.output, self.cache_read, self.cache_write, self.cache_write_1h)


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """One model's price. Prompts above `long_above_tokens` have the `long` rates, for the whole request."""

    model: str
    rates: Rates
    batch_rates: Rates
    long: Rates | None = None
    batch_long: Rates | None = None
    long_above_tokens: int = 0
    source: str = ""
    read: str = ""

    def cost(
        self,
        *,
        input_tokens: int,
        output_tokens: int,
        cache_read_tokens: int = 0,
        cache_write_tokens: int = 0,
        cache_write_1h_tokens: int = 0,
        batch: bool = False,
    ) -> int:
        """One request's bill in micro-dollars, rounded up.

        `input_tokens` includes cache reads and writes, `cache_write_tokens` includes those kept for an hour.
        """
        rates = self._rates(input_tokens, batch)
        plain = max(0, input_tokens - cache_read_tokens - cache_write_tokens)
        pico = (
            plain * rates.input
            + cache_read_tokens * rates.cache_read
            + max(0, cache_write_tokens - cache_write_1h_tokens) * rates.cache_write
            + cache_write_1h_tokens * rates.cache_write_1h
            + output_tokens * rates.output
        )
        return _up(pico)

    def worst_case(self, tokens: int, *, calls_max: int = 100) -> int:
        """The most in micro-dollars that this many tokens could cost, however they are split.

        All of the dearest kind, in a long prompt if they suffice for one, and each of `calls_max` calls rounded up.
        """
        rates = [self.rates, *([self.long] if self.long and tokens > self.long_above_tokens else [])]
        highest = max(rate.highest for rate in rates)
        rounding = min(max(0, calls_max - 1), tokens) if highest % PICO_PER_MICRO else 0
        return _up(tokens * highest) + rounding

    def _rates(self, prompt_tokens: int, batch: bool) -> Rates:
        long = prompt_tokens > self.long_above_tokens
        if self.long and self.batch_long and long:
            return self.batch_long if batch else self.long
        return self.batch_rates if batch else self.rates


def _up(pico: int) -> int:
    return -(-pico // PICO_PER_MICRO)
