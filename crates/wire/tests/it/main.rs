//! Tests of the wire format through its public interface.

#[cfg(test)]
mod responses;
#[cfg(test)]
mod translate;
#[cfg(test)]
mod wire;
