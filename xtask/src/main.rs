//! kijun
fn main() {}
