//! A text's tokens are counted in linear time: there are at least as many as the longest token
//! allows, and never more than bytes.

#![no_main]

use libfuzzer_sys::fuzz_target;
use vocabulary::{CL100K_BASE, O200K_BASE};

fuzz_target!(|text: &str| {
    for vocabulary in [&O200K_BASE, &CL100K_BASE] {
        let count = usize::try_from(vocabulary.count(text)).unwrap();
        assert!(count <= text.len());
        assert!(count * 256 >= text.len(), "{count} tokens of {} bytes", text.len());
    }
});
