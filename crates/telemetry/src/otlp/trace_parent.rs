//! The header `traceparent` of W3C Trace Context: the span of the client's that a call is part of.

/// The client's span.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TraceParent {
    pub(crate) trace: [u8; 16],
    pub(crate) span: [u8; 8],
    /// Whether the client keeps this trace.
    pub(crate) sampled: bool,
}

impl TraceParent {
    /// Reads the header; `None` if it is none. A version that is not known yet is read as far as
    /// this one goes, as the standard asks.
    pub(crate) fn parse(header: &str) -> Option<Self> {
        let mut parts = header.trim().splitn(5, '-');
        let version: [u8; 1] = hex(parts.next()?)?;
        let trace = hex(parts.next()?)?;
        let span = hex(parts.next()?)?;
        let flags: [u8; 1] = hex(parts.next()?)?;
        let longer = parts.next().is_some();
        let [version] = version;
        let [flags] = flags;
        let wrong = version == 0xff || version == 0 && longer;
        let real = trace != [0; 16] && span != [0; 8];
        (!wrong && real).then_some(Self { trace, span, sampled: flags & 1 == 1 })
    }
}

/// Reads exactly so many bytes from hexadecimal digits in lower case.
pub(crate) fn hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    if text.len() != 2 * N {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        for digit in pair {
            let value = match digit {
                b'0'..=b'9' => digit - b'0',
                b'a'..=b'f' => digit - b'a' + 10,
                _ => return None,
            };
            *byte = *byte << 4 | value;
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
    const SPAN: &str = "b7ad6b7169203331";

    #[test]
    fn a_parent_is_read() {
        let parent = TraceParent::parse(&format!("00-{TRACE}-{SPAN}-01")).unwrap();
        assert_eq!((parent.trace[0], parent.trace[15]), (0x0a, 0x9c));
        assert_eq!((parent.span[0], parent.sampled), (0xb7, true));
        let later = TraceParent::parse(&format!("01-{TRACE}-{SPAN}-02-more")).unwrap();
        assert!(!later.sampled);
    }

    #[test]
    fn what_is_none_is_not_taken_for_one() {
        let zero = "0".repeat(32);
        for wrong in [
            String::new(),
            "00".to_owned(),
            format!("ff-{TRACE}-{SPAN}-01"),
            format!("00-{TRACE}-{SPAN}-01-more"),
            format!("00-{zero}-{SPAN}-01"),
            format!("00-{TRACE}-0000000000000000-01"),
            format!("00-{}-{SPAN}-01", TRACE.to_uppercase()),
            format!("00-{TRACE}-{SPAN}"),
            format!("00-{TRACE}é-{SPAN}-01"),
        ] {
            assert_eq!(TraceParent::parse(&wrong), None, "{wrong}");
        }
    }
}
