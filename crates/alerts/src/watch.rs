//! When everybody's spending and service is looked at: every minute, by one node of all.

use std::time::Duration;

use kernel::Timestamp;
use store::{NoticeChannel, StoreError};
use tokio::time::sleep;

use crate::{Alerts, AlertsError};

/// The setting that says when it was looked last: in microseconds.
const LAST: &str = "alerts.looked_at";

/// How long what was sent stays in the outbox, to be seen.
const KEEP_NOTICES: Duration = Duration::from_secs(30 * 86_400);
/// How long service levels are kept: a year's statements, and one more month.
const KEEP_LEVELS: Duration = Duration::from_secs(400 * 86_400);

impl Alerts {
    /// Looks for ever; drop it to stop.
    pub(crate) async fn watch(&self) {
        loop {
            if let Err(error) = self.look().await {
                tracing::warn!(%error, "spending and service levels are looked at later");
            }
            if let Err(error) = self.see().await {
                tracing::debug!(%error, "what waits in the outbox is not known");
            }
            sleep(self.config().interval()).await;
        }
    }

    /// Looks at everybody's spending and service, unless a node has just done so. What is to be told
    /// is in the outbox then. Returns whether it was this node's turn.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn look(&self) -> Result<bool, AlertsError> {
        if !self.take_turn().await? {
            return Ok(false);
        }
        // Trouble with one of them must not hide the others.
        let looks = [
            self.watch_spend_alerts().await,
            self.watch_budgets().await,
            self.watch_service_levels().await,
            self.tidy().await,
        ];
        looks.into_iter().collect::<Result<(), _>>()?;
        Ok(true)
    }

    /// Of several nodes one replaces the time of the last look by its own. A node that dies while it
    /// looks is replaced a minute later, and nothing is told twice.
    async fn take_turn(&self) -> Result<bool, StoreError> {
        let (store, now) = (self.store(), self.now());
        let ours = now.as_micros().to_string();
        let Some(last) = store.setting_get(LAST).await? else {
            return store.setting_claim(LAST, &ours).await;
        };
        let then = last.parse().map_or(Timestamp::default(), Timestamp::from_micros);
        // A little less than the interval, since no node's pauses are exact. A time yet to come is
        // that of a clock which was wrong.
        let recent = now >= then && now.since(then) < self.config().interval().mul_f64(0.9);
        match recent {
            true => Ok(false),
            false => store.setting_swap(LAST, &last, &ours).await,
        }
    }

    /// Forgets what is past its time, and says what waits in vain.
    async fn tidy(&self) -> Result<(), StoreError> {
        let (store, now) = (self.store(), self.now());
        let before = |length: Duration| {
            let micros = i64::try_from(length.as_micros()).unwrap_or(i64::MAX);
            Timestamp::from_micros(now.as_micros().saturating_sub(micros))
        };
        store.notice_trim(before(KEEP_NOTICES)).await?;
        store.alert_trim(before(KEEP_LEVELS)).await?;
        store.service_level_trim(before(KEEP_LEVELS)).await?;
        if !self.can_mail() {
            self.say_waiting(store.notice_waiting(Some(NoticeChannel::Email)).await?.notices);
        }
        Ok(())
    }
}
