//! Messages of a WebSocket: a turn, or a frame that says what is wrong.

#![no_main]

use kijun_fuzz::json;
use libfuzzer_sys::fuzz_target;
use responses::Frame;

fuzz_target!(|message: &[u8]| {
    if let Err(told) = Frame::read(message) {
        let told = json(&told);
        assert_eq!(told["type"], "error");
        assert!(told["error"]["message"].is_string());
    }
});
