//! The arithmetic of leases: how much of a limit one node may have.

use kernel::Timestamp;

/// Of how many parts of a limit the nodes together hold one, unspent, at most: a twentieth is 5 %.
const UNSPENT: u64 = 20;

/// What a decision is made with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Terms {
    pub(super) now: Timestamp,
    /// How many nodes share the limits, as was last heard; one at least.
    pub(super) nodes: u64,
    /// How much of its part of a limit a node may use while it hears nothing of the others.
    pub(super) percent: u64,
    /// Whether the place of shared counters does not answer.
    pub(super) lost: bool,
}

impl Terms {
    /// How many units a node keeps at hand: together not more than a twentieth of the limit.
    pub(super) fn at_hand(&self, amount: u64) -> u64 {
        amount / self.nodes.saturating_mul(UNSPENT)
    }

    /// The part of a limit that this node counts alone while the place is lost. One at least, so
    /// that a lost place is never an outage.
    pub(super) fn share(&self, amount: u64) -> u64 {
        let share = u128::from(amount) * u128::from(self.percent) / 100 / u128::from(self.nodes);
        u64::try_from(share).unwrap_or(u64::MAX).clamp(1, amount.max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nodes_keep_at_hand_is_a_twentieth_and_their_shares_are_the_whole() {
        let terms =
            |nodes, percent| Terms { now: Timestamp::default(), nodes, percent, lost: true };
        for nodes in 1..50 {
            for amount in [0, 1, 2, 19, 20, 599, 600, 1_000_000, u64::MAX] {
                assert!(terms(nodes, 100).at_hand(amount) <= amount / 20 / nodes);
                let share = terms(nodes, 100).share(amount);
                assert!(share == 1 || share.saturating_mul(nodes) <= amount);
            }
        }
        assert_eq!(terms(3, 100).share(600), 200);
        assert_eq!(terms(3, 50).share(600), 100);
        assert_eq!(terms(3, 100).at_hand(600), 10);
        assert_eq!(terms(30, 100).share(10), 1);
        assert_eq!(terms(1, 100).share(u64::MAX), u64::MAX);
    }
}
