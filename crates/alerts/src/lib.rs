//! What people must be told: spending that passed a threshold, service levels that are being missed;
//! the outbox in which it waits, and its delivery by webhook and mail.
//!
//! ```text
//! spending, service levels -> what is new -> outbox (in the database) -> webhook, mail
//! ```
//!
//! May know: the kernel, the store. Must never do: hold a call up, tell the same thing twice, or
//! reach an address that webhooks may not lead to.

mod address;
mod alerts;
mod backlog;
mod burn;
mod config;
mod error;
mod event;
mod mail;
mod outbox;
mod post;
mod service;
mod signature;
mod spending;
mod standing;
mod statement;
mod watch;
mod webhooks;

pub use address::Reach;
pub use alerts::{Alerts, Parts};
pub use backlog::Backlog;
pub use burn::{BURN_RULES, Burn, BurnRule, Urgency, Window};
pub use config::{AlertsConfig, MailConfig};
pub use error::AlertsError;
pub use event::{
    BUDGET_REACHED, EVENT_TYPES, SERVICE_LEVEL_BURNING, SERVICE_LEVEL_RECOVERED,
    SPEND_ALERT_TRIGGERED, WEBHOOK_TEST,
};
pub use standing::{BurnRate, Standing};
pub use statement::{Kept, Outage, Statement};
