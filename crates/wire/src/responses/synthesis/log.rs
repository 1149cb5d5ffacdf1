//! The events as they are told: numbered, in order.

use std::borrow::Cow;

use serde_json::{Map, Value};

use crate::responses::Event;

/// Numbers events and holds them until they are taken.
#[derive(Default)]
pub(super) struct Log {
    next: u64,
    listening: bool,
    events: Vec<Event>,
}

impl Log {
    /// From now on somebody hears the events. Before, none are made.
    pub(super) fn listen(&mut self) {
        self.listening = true;
    }

    pub(super) fn is_heard(&self) -> bool {
        self.listening
    }

    /// The next number, which no event has.
    pub(super) fn number(&mut self) -> u64 {
        let number = self.next;
        self.next += 1;
        number
    }

    /// Tells an event; `fill` writes all but its type and number.
    pub(super) fn tell(
        &mut self,
        kind: impl Into<Cow<'static, str>>,
        fill: impl FnOnce(&mut Map<String, Value>),
    ) {
        if self.listening {
            let number = self.number();
            self.events.push(Event::new(kind.into(), number, fill));
        }
    }

    /// The events since the last time.
    pub(super) fn take(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }
}

/// Puts one field into an event, or into anything else.
pub(super) fn put(body: &mut Map<String, Value>, name: &str, value: impl Into<Value>) {
    body.insert(name.to_owned(), value.into());
}
