//! Made-up calls: who calls what, how often and at which price, as it might be.

use std::sync::atomic::{AtomicU64, Ordering};

use kernel::{
    ApiKeyId, BatchId, CallRecord, Money, Operation, OrganizationId, Outcome, ProjectId, RequestId,
    Rng, ServiceAccountId, ServiceTier, Timestamp, Usage,
};

/// A key, and whose it is.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    pub(super) project: ProjectId,
    pub(super) api_key: ApiKeyId,
    pub(super) service_account: Option<ServiceAccountId>,
}

/// How many calls, of how many kinds, in which time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    pub(super) calls: u64,
    pub(super) days: u64,
    pub(super) models: u64,
    pub(super) users: u64,
    pub(super) until: Timestamp,
}

/// The calls, in the order in which they arrive.
#[derive(Debug)]
pub(super) struct Calls {
    rng: SplitMix,
    shape: Shape,
    organization: OrganizationId,
    callers: Vec<Caller>,
    made: u64,
}

impl Calls {
    pub(super) const fn new(
        seed: u64,
        shape: Shape,
        organization: OrganizationId,
        callers: Vec<Caller>,
    ) -> Self {
        Self { rng: SplitMix(AtomicU64::new(seed)), shape, organization, callers, made: 0 }
    }

    /// Evenly over the days, but for a little chance.
    fn next_time(&self) -> Timestamp {
        let whole = self.shape.days * 86_400_000_000;
        let part = (whole / self.shape.calls).max(1);
        let ago = whole.saturating_sub(self.made * part + self.rng.below(part));
        let ago = i64::try_from(ago).unwrap_or(i64::MAX);
        Timestamp::from_micros(self.shape.until.as_micros().saturating_sub(ago))
    }

    /// A few users call much, most call little.
    fn next_user(&self) -> u64 {
        let chance = self.rng.next_f64();
        (chance * chance * self.shape.users as f64) as u64
    }

    /// Each user has a key of choice, and models of choice that depend on it.
    fn record(&self, at: Timestamp, user: u64, key: usize, caller: &Caller) -> CallRecord {
        let rng = &self.rng;
        let favourite = user + [0, 0, 0, 0, 0, 0, 0, 1, 1, 5].get(rng.index(10)).unwrap_or(&0);
        let model = favourite % self.shape.models;
        let operation = match (model % 6, key % 3) {
            (5, _) => Operation::Embeddings,
            (_, 0) => Operation::Responses,
            _ => Operation::ChatCompletions,
        };
        let (in_batch, urgent) = (key % 7 == 3 && rng.below(3) == 0, key % 10 == 9);
        let tier = match (in_batch, urgent) {
            (true, _) => ServiceTier::Flex,
            (false, true) => ServiceTier::Priority,
            (false, false) => ServiceTier::Default,
        };
        let (status, outcome) = match rng.below(200) {
            0 => (500, Outcome::UpstreamError),
            1 => (429, Outcome::UpstreamError),
            2 => (200, Outcome::ClientClosed),
            _ => (200, Outcome::Completed),
        };
        let usage = if status == 200 { self.usage(operation) } else { Usage::default() };
        let waited = 80_000 + rng.below(900_000);
        let name = format!("made-up-{model:02}");
        CallRecord {
            id: RequestId::new(at, rng),
            started_at: at,
            duration_us: waited + usage.output * 12_000,
            first_byte_us: Some(waited),
            organization: self.organization.clone(),
            project: caller.project.clone(),
            api_key: caller.api_key.clone(),
            service_account: caller.service_account.clone(),
            end_user: caller.service_account.is_none().then(|| format!("user-{user:05}")),
            response: None,
            batch: in_batch.then(|| BatchId::from(format!("batch_{user:032x}").as_str())),
            operation,
            provider: "made-up".into(),
            upstream_model: name.clone(),
            model: name,
            stream: operation.streams() && !in_batch,
            status,
            outcome,
            attempts: 1,
            service_tier: tier,
            usage,
            cost: (model != 7).then(|| self.cost(model, usage)),
        }
    }

    fn usage(&self, operation: Operation) -> Usage {
        let rng = &self.rng;
        let input = 20 + rng.below(200) * rng.below(40);
        let cached = if rng.below(3) == 0 { input / 2 } else { 0 };
        let output = if operation == Operation::Embeddings { 0 } else { 5 + rng.below(800) };
        Usage {
            input,
            input_cached: cached,
            output,
            output_reasoning: if rng.below(4) == 0 { output / 3 } else { 0 },
            estimated: rng.below(50) == 0,
            ..Usage::default()
        }
    }

    /// Prices fall in the middle of the time.
    fn cost(&self, model: u64, usage: Usage) -> Money {
        let half = if self.made * 2 > self.shape.calls { 1 } else { 2 };
        let per_token = (50 + 200 * model) * half;
        let uncached = usage.input - usage.input_cached;
        let nanos = uncached * per_token
            + usage.input_cached * per_token / 4
            + usage.output * per_token * 4;
        Money::from_nanos(i64::try_from(nanos).unwrap_or(i64::MAX))
    }
}

impl Iterator for Calls {
    type Item = CallRecord;

    fn next(&mut self) -> Option<CallRecord> {
        if self.made == self.shape.calls {
            return None;
        }
        let at = self.next_time();
        let user = self.next_user();
        // One of ten is made with the user's other key.
        let other = if self.rng.below(10) == 0 { 1 } else { 0 };
        let key = usize::try_from(user + other).ok()? % self.callers.len().max(1);
        let record = self.record(at, user, key, self.callers.get(key)?);
        self.made += 1;
        Some(record)
    }
}

/// Randomness that is the same for the same seed, by SplitMix64 (Steele, Lea and Flood 2014).
#[derive(Debug)]
struct SplitMix(AtomicU64);

impl SplitMix {
    /// A number from nought up to, and without, `end`.
    fn below(&self, end: u64) -> u64 {
        self.next_u64() % end.max(1)
    }

    fn index(&self, end: u64) -> usize {
        usize::try_from(self.below(end)).unwrap_or(0)
    }
}

impl Rng for SplitMix {
    fn fill(&self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            let number = self.next_u64().to_le_bytes();
            for (byte, random) in chunk.iter_mut().zip(number) {
                *byte = random;
            }
        }
    }

    fn next_u64(&self) -> u64 {
        const STEP: u64 = 0x9E37_79B9_7F4A_7C15;
        let mut z = self.0.fetch_add(STEP, Ordering::Relaxed).wrapping_add(STEP);
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    const UNTIL: Timestamp = Timestamp::from_secs(1_800_000_000);

    fn calls(seed: u64, calls: u64) -> Vec<CallRecord> {
        let callers = (0..20).map(|number| Caller {
            project: format!("proj_{}", number % 4).as_str().into(),
            api_key: format!("key_{number}").as_str().into(),
            service_account: (number == 7).then(|| "svc_1".into()),
        });
        let shape = Shape { calls, days: 10, models: 6, users: 50, until: UNTIL };
        Calls::new(seed, shape, "org-1".into(), callers.collect()).collect()
    }

    #[test]
    fn a_seed_says_it_all() {
        assert_eq!(calls(1, 500), calls(1, 500));
        assert_ne!(calls(1, 500), calls(2, 500));
    }

    #[test]
    fn calls_come_in_order_over_all_days_and_each_has_its_id() {
        let made = calls(3, 5_000);
        assert_eq!(made.len(), 5_000);
        assert!(made.is_sorted_by_key(|call| call.started_at));
        let days: HashSet<_> =
            made.iter().map(|call| UNTIL.since(call.started_at).as_secs() / 86_400).collect();
        assert_eq!(days, (0..10).collect());
        let ids: HashSet<_> = made.iter().map(|call| &call.id).collect();
        assert_eq!(ids.len(), 5_000);
    }

    #[test]
    fn there_is_something_of_everything() {
        let made = calls(5, 5_000);
        for operation in [Operation::ChatCompletions, Operation::Responses, Operation::Embeddings] {
            assert!(made.iter().any(|call| call.operation == operation), "{operation}");
        }
        for tier in ServiceTier::ALL {
            assert!(made.iter().any(|call| call.service_tier == tier), "{tier}");
        }
        assert!(made.iter().any(|call| call.batch.is_some()));
        assert!(made.iter().any(|call| call.end_user.is_none() && call.service_account.is_some()));
        assert!(made.iter().any(|call| call.status == 500));
        let of = |wanted: &str| {
            made.iter().filter(|call| call.end_user.as_deref() == Some(wanted)).count()
        };
        assert!(of("user-00000") > 4 * of("user-00040"), "a few call much");
    }
}
