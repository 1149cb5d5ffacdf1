//! The limiter as its callers see it.

use std::future::Future as _;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::task::{Context, Poll, Waker};

use super::*;
use kernel::limit::LimitScope;
use kernel::{ApiKeyId, Clock, OrganizationId, ProjectId, Timestamp};
use proptest::prelude::*;
use testkit::FakeClock;

struct Bench {
    clock: Arc<FakeClock>,
    limiter: Limiter,
    organization: OrganizationId,
    project: ProjectId,
    key: ApiKeyId,
}

impl Bench {
    fn new() -> Self {
        let clock = Arc::new(FakeClock::at(Timestamp::default()));
        Self {
            limiter: Limiter::new(clock.clone()),
            clock,
            organization: "org-1".into(),
            project: "proj_1".into(),
            key: "key_1".into(),
        }
    }

    fn rules(&self, limits: impl IntoIterator<Item = Limit>) -> Rules {
        Rules::new(limits.into_iter().map(|limit| (self.organization.clone(), limit)))
    }

    fn subject<'a>(&'a self, end_user: Option<&'a str>) -> Subject<'a> {
        Subject {
            organization: &self.organization,
            project: &self.project,
            key: &self.key,
            end_user,
            model: "gpt",
        }
    }

    fn admit(&self, rules: &Rules, tokens: u64) -> Result<Permit, Refusal> {
        self.admit_user(rules, Some("ada"), tokens)
    }

    /// Counting alone waits for nothing, so one look at the future is enough.
    fn admit_user(
        &self,
        rules: &Rules,
        user: Option<&str>,
        tokens: u64,
    ) -> Result<Permit, Refusal> {
        let subject = self.subject(user);
        let admitted = pin!(self.limiter.admit(rules, &subject, Estimate { tokens }));
        match admitted.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(result) => result,
            Poll::Pending => panic!("a limiter that counts alone waited"),
        }
    }

    fn local(&self) -> &Local {
        match &self.limiter.counting {
            Counting::Alone(local) => local,
            Counting::Together(_) => panic!("not alone"),
        }
    }

    fn running(&self) -> u64 {
        self.local().running()
    }
}

fn limit(scope: LimitScope, measure: LimitMeasure, amount: u64) -> Limit {
    let id = format!("limit_{scope}_{measure}").into();
    Limit { id, scope, subject: None, model: None, measure, amount }
}

fn reached(result: Result<Permit, Refusal>) -> Box<LimitReached> {
    match result {
        Err(Refusal::LimitReached(reached)) => reached,
        other => panic!("not refused by a limit: {other:?}"),
    }
}

#[test]
fn without_limits_every_call_passes_and_nothing_is_kept() {
    let bench = Bench::new();
    let mut permit = bench.admit(&Rules::default(), u64::MAX).unwrap();
    permit.settle(u64::MAX);
    assert_eq!(permit.headers(), RateLimitHeaders::default());
    assert!(bench.local().is_empty());
}

#[test]
fn a_refusal_takes_nothing_of_any_limit() {
    let bench = Bench::new();
    let rules = bench.rules([
        limit(LimitScope::Project, LimitMeasure::RequestsPerMinute, 10),
        limit(LimitScope::Project, LimitMeasure::TokensPerMinute, 100),
        limit(LimitScope::Key, LimitMeasure::ConcurrentCalls, 5),
    ]);
    let first = bench.admit(&rules, 60).unwrap();
    for _ in 0..20 {
        let refused = reached(bench.admit(&rules, 60));
        assert_eq!(refused.measure, LimitMeasure::TokensPerMinute);
        assert_eq!((refused.used, refused.requested), (60, 60));
        assert_eq!(refused.retry_after, Duration::from_secs(12));
        assert_eq!(refused.headers.requests.unwrap().remaining, 9);
    }
    assert_eq!(bench.running(), 1);
    let second = bench.admit(&rules, 40).unwrap();
    assert_eq!(second.headers().requests.unwrap().remaining, 8);
    assert_eq!(second.headers().tokens.unwrap().remaining, 0);
    drop((first, second));
    assert_eq!(bench.running(), 0);
}

#[test]
fn of_several_refusals_the_longest_wait_is_told() {
    let bench = Bench::new();
    let rules = bench.rules([
        limit(LimitScope::Organization, LimitMeasure::RequestsPerMinute, 1),
        limit(LimitScope::Project, LimitMeasure::RequestsPerDay, 1),
        limit(LimitScope::Key, LimitMeasure::RequestsPerMinute, 1),
    ]);
    let _permit = bench.admit(&rules, 0).unwrap();
    let refused = reached(bench.admit(&rules, 0));
    assert_eq!(refused.limit.as_str(), "limit_project_requests_per_day");
    assert_eq!(refused.subject.as_deref(), Some("proj_1"));
    bench.clock.advance(refused.retry_after);
    assert!(bench.admit(&rules, 0).is_ok());
}

#[test]
fn settling_refunds_or_charges_the_difference() {
    let bench = Bench::new();
    let rules = bench.rules([limit(LimitScope::Key, LimitMeasure::TokensPerMinute, 100)]);
    let left = |bench: &Bench| {
        let probe = bench.admit(&rules, 0).unwrap();
        probe.headers().tokens.unwrap().remaining
    };
    let mut cheap = bench.admit(&rules, 80).unwrap();
    cheap.settle(30);
    drop(cheap);
    assert_eq!(left(&bench), 70);
    let mut dear = bench.admit(&rules, 20).unwrap();
    dear.settle(130);
    drop(dear);
    // 60 beyond the limit: 36 seconds later it stands at the limit, and 1 token more takes 0.6 s.
    let refused = reached(bench.admit(&rules, 1));
    assert_eq!((refused.used, refused.retry_after), (160, Duration::from_millis(36_600)));
    bench.clock.advance(refused.retry_after);
    assert!(bench.admit(&rules, 1).is_ok());
    // Settling twice counts once.
    bench.clock.advance(Duration::from_secs(120));
    let mut twice = bench.admit(&rules, 50).unwrap();
    twice.settle(10);
    twice.settle(40);
    drop(twice);
    assert_eq!(left(&bench), 60);
}

#[test]
fn an_unsettled_call_gives_its_tokens_back_and_keeps_its_request() {
    let bench = Bench::new();
    let rules = bench.rules([
        limit(LimitScope::Key, LimitMeasure::TokensPerMinute, 100),
        limit(LimitScope::Key, LimitMeasure::RequestsPerMinute, 10),
    ]);
    drop(bench.admit(&rules, 100).unwrap());
    let next = bench.admit(&rules, 100).unwrap();
    assert_eq!(next.headers().requests.unwrap().remaining, 8);
}

#[test]
fn a_call_that_can_never_pass_is_told_so() {
    let bench = Bench::new();
    let rules = bench.rules([limit(LimitScope::Project, LimitMeasure::TokensPerMinute, 100)]);
    let Err(refusal) = bench.admit(&rules, 101) else { panic!("passed") };
    assert_eq!(refusal.retry_after(), None);
    assert_eq!(
        refusal.to_string(),
        "Request too large for gpt in project proj_1 on tokens per minute (tokens_per_minute): \
         limit 100, requested 101. Shorten the input, ask for fewer output tokens, or have the \
         limit raised."
    );
    let nothing = bench.rules([limit(LimitScope::Project, LimitMeasure::RequestsPerDay, 0)]);
    assert!(matches!(bench.admit(&nothing, 0), Err(Refusal::TooLarge(_))));
}

#[test]
fn subjects_are_counted_apart_and_users_per_project() {
    let mut bench = Bench::new();
    let rules = bench.rules([limit(LimitScope::User, LimitMeasure::RequestsPerMinute, 1)]);
    let admit = |bench: &Bench, user| bench.admit_user(&rules, user, 0).is_ok();
    assert!(admit(&bench, Some("ada")));
    assert!(!admit(&bench, Some("ada")));
    assert!(admit(&bench, Some("bob")));
    assert!(admit(&bench, None));
    assert!(admit(&bench, None));
    bench.project = "proj_2".into();
    assert!(admit(&bench, Some("ada")));
    assert!(!admit(&bench, Some("ada")));
}

#[test]
fn an_end_users_name_is_in_no_refusal() {
    let bench = Bench::new();
    let rules = bench.rules([limit(LimitScope::User, LimitMeasure::RequestsPerMinute, 1)]);
    let _permit = bench.admit(&rules, 0).unwrap();
    let refused = reached(bench.admit(&rules, 0));
    assert!(!format!("{refused:?} {refused}").contains("ada"));
}

#[test]
fn counters_outlive_the_rules_as_long_as_the_limit_does() {
    let bench = Bench::new();
    let requests = |amount| limit(LimitScope::Key, LimitMeasure::RequestsPerMinute, amount);
    let _permit = bench.admit(&bench.rules([requests(1)]), 0).unwrap();
    assert!(bench.admit(&bench.rules([requests(1)]), 0).is_err());
    let raised = bench.admit(&bench.rules([requests(3)]), 0).unwrap();
    assert_eq!(raised.headers().requests.unwrap().remaining, 1);
    let another = Limit { id: "limit_new".into(), ..requests(1) };
    assert!(bench.admit(&bench.rules([another]), 0).is_ok());
}

#[test]
fn many_threads_take_exactly_what_there_is() {
    let bench = Bench::new();
    let rules = bench.rules([
        limit(LimitScope::Organization, LimitMeasure::RequestsPerDay, 500),
        limit(LimitScope::Project, LimitMeasure::TokensPerMinute, 7_000),
        limit(LimitScope::Key, LimitMeasure::ConcurrentCalls, 3),
        limit(LimitScope::User, LimitMeasure::ConcurrentCalls, 8),
    ]);
    let (admitted, most) = (AtomicI64::new(0), AtomicI64::new(0));
    let under_way = AtomicI64::new(0);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..2_000 {
                    let Ok(mut permit) = bench.admit(&rules, 20) else {
                        std::thread::yield_now();
                        continue;
                    };
                    let now = under_way.fetch_add(1, Ordering::SeqCst) + 1;
                    most.fetch_max(now, Ordering::SeqCst);
                    admitted.fetch_add(1, Ordering::SeqCst);
                    permit.settle(14);
                    under_way.fetch_sub(1, Ordering::SeqCst);
                }
            });
        }
    });
    assert!(most.into_inner() <= 3);
    assert_eq!(bench.running(), 0);
    // The rest passes one by one: 500 requests of 14 tokens are all there is.
    let mut admitted = admitted.into_inner();
    while let Ok(mut permit) = bench.admit(&rules, 14) {
        permit.settle(14);
        admitted += 1;
    }
    assert_eq!(admitted, 500);
}

/// One arrival of the property test: a pause, then a call that ends after some later arrivals.
#[derive(Clone, Debug)]
struct Arrival {
    gap: Duration,
    reserve: u64,
    actual: u64,
    ends_after: usize,
}

fn arrivals() -> impl Strategy<Value = Vec<Arrival>> {
    let arrival = (0u64..5_000_000, 1u64..60, 0u64..60, 0usize..6).prop_map(
        |(gap, reserve, actual, ends_after)| Arrival {
            gap: Duration::from_micros(gap),
            reserve,
            actual: actual.min(reserve),
            ends_after,
        },
    );
    prop::collection::vec(arrival, 1..120)
}

proptest! {
    #[test]
    fn admitted_requests_and_tokens_stay_within_amount_and_refill(arrivals in arrivals()) {
        let bench = Bench::new();
        let (requests, tokens, places) = (6u64, 100u64, 3usize);
        let rules = bench.rules([
            limit(LimitScope::Project, LimitMeasure::RequestsPerMinute, requests),
            limit(LimitScope::Key, LimitMeasure::TokensPerMinute, tokens),
            limit(LimitScope::User, LimitMeasure::ConcurrentCalls, places as u64),
        ]);
        let within = |sum: u64, amount: u64, stretch: i64| {
            i128::from(sum) * 60_000_000 <= i128::from(amount) * i128::from(60_000_000 + stretch)
        };
        let mut under_way: Vec<(usize, u64, Permit)> = Vec::new();
        let mut admitted_at: Vec<i64> = Vec::new();
        let mut used = 0;
        for (index, arrival) in arrivals.iter().enumerate() {
            bench.clock.advance(arrival.gap);
            let now = bench.clock.now().as_micros();
            for (_, actual, mut permit) in under_way.extract_if(.., |(end, ..)| *end <= index) {
                used += actual;
                permit.settle(actual);
            }
            if let Ok(permit) = bench.admit(&rules, arrival.reserve) {
                admitted_at.push(now);
                prop_assert!(permit.headers().tokens.unwrap().remaining <= tokens);
                under_way.push((index + arrival.ends_after, arrival.actual, permit));
            }
            prop_assert!(under_way.len() <= places);
            prop_assert_eq!(bench.running(), under_way.len() as u64);
            let reserved: u64 = under_way.iter().map(|(_, actual, _)| actual).sum();
            prop_assert!(within(used + reserved, tokens, now));
        }
        for (count, start) in admitted_at.iter().enumerate() {
            for (end_count, end) in admitted_at.iter().enumerate().skip(count) {
                prop_assert!(within((end_count - count + 1) as u64, requests, end - start));
            }
        }
        under_way.clear();
        prop_assert_eq!(bench.running(), 0);
    }
}
