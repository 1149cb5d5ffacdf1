//! The words everyone in Kijun shares: ids, principals, usage, money, limits, the catalogue of
//! providers and models, the record of a call, and the two effects passed in from outside (clock
//! and randomness).
//!
//! May know: nothing but itself. Must never do: I/O, SQL, HTTP, or depend on another crate of the
//! house.

pub mod actor;
pub mod budget;
pub mod call;
pub mod catalog;
pub mod clock;
pub mod id;
pub mod limit;
pub mod money;
pub mod operation;
pub mod period;
pub mod principal;
pub mod retention;
pub mod rng;
pub mod tier;
pub mod usage;

pub use actor::{Acting, Actor, Who};
pub use budget::{Budget, Enforcement, Spender};
pub use call::{CallRecord, Outcome};
pub use clock::{Clock, SharedClock, SystemClock, Timestamp};
pub use id::{
    AdminKeyId, AlertId, ApiKeyId, AuditId, BatchId, BudgetId, ConversationId, FileId, LimitId,
    NoticeId, OrganizationId, ProjectId, RequestId, ResponseId, ServiceAccountId, UploadId,
    UploadPartId, WebhookId,
};
pub use money::Money;
pub use operation::Operation;
pub use period::{NoSuchMonth, NoSuchZone, Period, Zone};
pub use principal::{Principal, Role, Scope};
pub use retention::{DEFAULT_RETENTION_DAYS, Retention, RetentionSetting, RetentionType};
pub use rng::{Rng, SharedRng, SystemRng};
pub use tier::ServiceTier;
pub use usage::Usage;
