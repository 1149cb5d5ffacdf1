//! The arithmetic: tokens times dollars per million, exactly, rounded once.

use kernel::{Money, Timestamp, Usage};

const A_MILLION: i128 = 1_000_000;

/// Prices per million tokens, none missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rates {
    pub(super) input: Money,
    pub(super) cached_input: Money,
    pub(super) cache_write: Money,
    pub(super) audio_input: Money,
    pub(super) image_input: Money,
    pub(super) output: Money,
    pub(super) audio_output: Money,
}

/// What a model costs from a day on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tariff {
    pub(super) effective_from: Timestamp,
    pub(super) base: Rates,
    /// Above so many input tokens these prices hold for the whole call; `None`: not known.
    pub(super) long_prompt: Option<(u64, Option<Rates>)>,
}

impl Tariff {
    /// What the call cost; `None` where the price of so long a prompt is not known.
    pub(super) fn cost(&self, usage: &Usage) -> Option<Money> {
        match self.long_prompt {
            Some((above, rates)) if usage.input > above => rates.map(|rates| rates.cost(usage)),
            _ => Some(self.base.cost(usage)),
        }
    }
}

impl Rates {
    /// A token is paid for once. Those that a report puts in two classes (cached audio) are paid
    /// in the first of: cached, cache write, audio, image.
    fn cost(&self, usage: &Usage) -> Money {
        let mut input = usage.input;
        let mut output = usage.output;
        let total = [
            of(take(&mut input, usage.input_cached), self.cached_input),
            of(take(&mut input, usage.input_cache_write), self.cache_write),
            of(take(&mut input, usage.input_audio), self.audio_input),
            of(take(&mut input, usage.input_image), self.image_input),
            of(input, self.input),
            of(take(&mut output, usage.output_audio), self.audio_output),
            of(output, self.output),
        ]
        .into_iter()
        .fold(0_i128, i128::saturating_add);
        let nanos = total.saturating_add(A_MILLION / 2) / A_MILLION;
        Money::from_nanos(i64::try_from(nanos).unwrap_or(i64::MAX))
    }
}

/// Takes up to `part` tokens out of `rest`.
fn take(rest: &mut u64, part: u64) -> u64 {
    let part = part.min(*rest);
    *rest -= part;
    part
}

fn of(tokens: u64, per_million: Money) -> i128 {
    i128::from(tokens).saturating_mul(i128::from(per_million.as_nanos()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const RATES: Rates = Rates {
        input: Money::from_nanos(2_500_000_000),
        cached_input: Money::from_nanos(1_250_000_000),
        cache_write: Money::from_nanos(3_125_000_000),
        audio_input: Money::from_nanos(40_000_000_000),
        image_input: Money::from_nanos(5_000_000_000),
        output: Money::from_nanos(10_000_000_000),
        audio_output: Money::from_nanos(80_000_000_000),
    };

    #[test]
    fn every_token_is_paid_once_in_its_class() {
        let usage = Usage {
            input: 1_000,
            input_cached: 400,
            input_cache_write: 100,
            input_audio: 50,
            input_image: 150,
            output: 500,
            output_reasoning: 300,
            output_audio: 20,
            estimated: false,
        };
        let nanos = 400 * 1_250
            + 100 * 3_125
            + 50 * 40_000
            + 150 * 5_000
            + 300 * 2_500
            + 20 * 80_000
            + 480 * 10_000;
        assert_eq!(RATES.cost(&usage), Money::from_nanos(nanos));
    }

    #[test]
    fn a_cost_is_rounded_half_up_once() {
        let rates = Rates {
            input: Money::from_nanos(250_000),
            output: Money::from_nanos(250_000),
            ..RATES
        };
        let nanos =
            |input, output| rates.cost(&Usage { input, output, ..Usage::default() }).as_nanos();
        assert_eq!(nanos(1, 0), 0);
        assert_eq!(nanos(2, 0), 1, "half a nano-dollar is rounded up");
        assert_eq!(nanos(1, 1), 1, "two quarters make a half before rounding");
        assert_eq!(nanos(3, 2), 1);
    }

    #[test]
    fn parts_larger_than_the_whole_are_cut() {
        let usage = Usage { input: 10, input_cached: 15, input_audio: 9, ..Usage::default() };
        assert_eq!(RATES.cost(&usage), Money::from_nanos(10 * 1_250));
    }

    #[test]
    fn a_long_prompt_prices_the_whole_call() {
        let dearer = Rates { input: Money::from_nanos(5_000_000_000), ..RATES };
        let tariff = |rates| Tariff {
            effective_from: Timestamp::default(),
            base: RATES,
            long_prompt: Some((1_000, rates)),
        };
        let of = |input| Usage { input, ..Usage::default() };
        let known = tariff(Some(dearer));
        assert_eq!(known.cost(&of(1_000)), Some(Money::from_nanos(1_000 * 2_500)));
        assert_eq!(known.cost(&of(1_001)), Some(Money::from_nanos(1_001 * 5_000)));
        assert_eq!(tariff(None).cost(&of(1_000)), known.cost(&of(1_000)));
        assert_eq!(tariff(None).cost(&of(1_001)), None);
    }

    proptest! {
        #[test]
        fn no_usage_overflows_or_costs_less_than_nothing(
            input: u64, cached: u64, audio: u64, output: u64, price in 0..=i64::MAX,
        ) {
            let price = Money::from_nanos(price);
            let rates = Rates { input: price, cached_input: price, output: price, ..RATES };
            let usage = Usage {
                input, input_cached: cached, input_audio: audio, output, ..Usage::default()
            };
            prop_assert!(rates.cost(&usage) >= Money::ZERO);
        }

        #[test]
        fn classes_of_one_price_cost_what_the_whole_costs(
            input in 0..1_000_000_000_u64, cached: u64, audio: u64, image: u64,
        ) {
            let price = RATES.input;
            let rates = Rates {
                cached_input: price, cache_write: price, audio_input: price, image_input: price,
                ..RATES
            };
            let plain = Usage { input, ..Usage::default() };
            let split = Usage {
                input_cached: cached, input_audio: audio, input_image: image, ..plain
            };
            prop_assert_eq!(rates.cost(&split), rates.cost(&plain));
        }
    }
}
