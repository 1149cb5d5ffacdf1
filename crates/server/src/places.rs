//! How many connections there may be, all together and of one client: each costs memory and a file
//! handle, and a flood of them must not take the calls that are under way with it.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

/// The places for connections.
#[derive(Debug)]
pub(crate) struct Places {
    most: usize,
    most_of_one: usize,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    of: HashMap<IpAddr, usize>,
}

/// A connection's place. It is free again when this is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    places: Arc<Places>,
    /// Whose it is, if that is counted.
    of: Option<IpAddr>,
}

/// Which bound there is no place under.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Full {
    /// That of all.
    #[error("there are as many connections as server.max_connections allows")]
    All,
    /// That of one client.
    #[error("its address has as many connections as server.max_connections_per_peer allows")]
    OfOne,
}

impl Places {
    /// So many in all, and so many of one client; 0: as many as come.
    pub(crate) fn new(most: usize, most_of_one: usize) -> Arc<Self> {
        let bound = |most| if most == 0 { usize::MAX } else { most };
        let taken = Mutex::default();
        Arc::new(Self { most: bound(most), most_of_one: bound(most_of_one), taken })
    }

    /// How many are taken.
    pub(crate) fn taken(&self) -> usize {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner).all
    }

    /// Takes a place. A proxy that speaks for many is not counted as one client.
    ///
    /// # Errors
    /// [`Full`]
    pub(crate) fn take(self: &Arc<Self>, peer: IpAddr, is_proxy: bool) -> Result<Place, Full> {
        let of = (!is_proxy).then(|| client(peer));
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if taken.all >= self.most {
            return Err(Full::All);
        }
        if let Some(of) = of {
            let count = taken.of.entry(of).or_insert(0);
            if *count >= self.most_of_one {
                return Err(Full::OfOne);
            }
            *count += 1;
        }
        taken.all += 1;
        Ok(Place { places: Arc::clone(self), of })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.all = taken.all.saturating_sub(1);
        let Some(of) = self.of else { return };
        if let Some(count) = taken.of.get_mut(&of) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                taken.of.remove(&of);
            }
        }
    }
}

/// Whom an address belongs to. One client of IPv6 has a whole /64 network of them.
fn client(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(v6) => Ipv6Addr::from(u128::from(v6) >> 64 << 64).into(),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_place_is_free_again_when_its_connection_ends() {
        let places = Places::new(2, 0);
        let first = places.take(address("192.0.2.1"), false).unwrap();
        let _second = places.take(address("192.0.2.1"), false).unwrap();
        assert_eq!(places.take(address("192.0.2.2"), false).unwrap_err(), Full::All);
        drop(first);
        assert!(places.take(address("192.0.2.2"), false).is_ok());
    }

    #[test]
    fn one_client_cannot_take_them_all() {
        let places = Places::new(0, 1);
        let held = places.take(address("2001:db8::1"), false).unwrap();
        let same = places.take(address("2001:db8::2"), false);
        assert_eq!(same.unwrap_err(), Full::OfOne, "one network");
        assert!(places.take(address("2001:db8:0:1::1"), false).is_ok());
        drop(held);
        assert_eq!(places.taken.lock().unwrap().of.len(), 0, "nothing is kept of who is gone");
        let _mapped = places.take(address("::ffff:192.0.2.1"), false).unwrap();
        assert!(places.take(address("192.0.2.1"), false).is_err());
    }

    #[test]
    fn a_proxy_is_many_clients() {
        let places = Places::new(3, 1);
        let proxy = || places.take(address("10.0.0.1"), true);
        let held = [proxy().unwrap(), proxy().unwrap(), proxy().unwrap()];
        assert_eq!(proxy().unwrap_err(), Full::All);
        drop(held);
        assert_eq!(places.taken(), 0);
    }
}
