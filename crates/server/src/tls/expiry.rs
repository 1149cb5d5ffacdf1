//! When a certificate ends, read from its DER form. rustls verifies other people's certificates
//! and has no word for the validity of one's own; this is the one field of X.509 that is needed.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use kernel::Timestamp;

const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xa0;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

/// `notAfter` of a certificate; `None` where it cannot be read.
pub(super) fn not_after(certificate: &[u8]) -> Option<Timestamp> {
    let (_, certificate, _) = element(certificate).filter(|(tag, ..)| *tag == SEQUENCE)?;
    let (_, mut body, _) = element(certificate).filter(|(tag, ..)| *tag == SEQUENCE)?;
    if body.first() == Some(&VERSION) {
        (_, _, body) = element(body)?;
    }
    // Serial number, signature algorithm, issuer.
    for _ in 0..3 {
        (_, _, body) = element(body)?;
    }
    let (_, validity, _) = element(body).filter(|(tag, ..)| *tag == SEQUENCE)?;
    let (_, _, rest) = element(validity)?;
    let (tag, text, _) = element(rest)?;
    moment(tag, std::str::from_utf8(text).ok()?)
}

/// The first element: its tag, its content, and what follows it.
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = der.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        short @ 0..=0x7f => (usize::from(short), rest),
        long @ 0x81..=0x84 => {
            let (digits, rest) = rest.split_at_checked(usize::from(long & 0x7f))?;
            (digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit)), rest)
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((tag, content, rest))
}

/// RFC 5280, 4.1.2.5: two digits of a year are from 1950 to 2049; all times end with a Z.
fn moment(tag: u8, text: &str) -> Option<Timestamp> {
    let text = match tag {
        UTC_TIME if text < "50" => format!("20{text}"),
        UTC_TIME => format!("19{text}"),
        GENERALIZED_TIME => text.to_owned(),
        _ => return None,
    };
    let at = DateTime::strptime("%Y%m%d%H%M%SZ", &text).ok()?;
    let at = TimeZone::UTC.to_timestamp(at).ok()?;
    Some(Timestamp::from_secs(at.as_second()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls::tests::authority;

    #[test]
    fn both_forms_of_time_are_read() {
        let secs = |tag, text| moment(tag, text).map(Timestamp::as_secs);
        assert_eq!(secs(UTC_TIME, "700101000001Z"), Some(1));
        assert_eq!(secs(UTC_TIME, "491231235959Z"), Some(2_524_607_999));
        assert_eq!(secs(GENERALIZED_TIME, "20500101000000Z"), Some(2_524_608_000));
        for wrong in ["", "20500101", "20501301000000Z", "é"] {
            assert_eq!(secs(GENERALIZED_TIME, wrong), None, "{wrong}");
        }
        assert_eq!(secs(0x02, "20500101000000Z"), None);
    }

    #[test]
    fn a_certificate_tells_its_end_and_a_part_of_one_does_not_panic() {
        let made = authority().issue("kijun", 2031);
        assert_eq!(not_after(&made.der).map(Timestamp::as_secs), Some(1_924_992_000));
        for end in 0..made.der.len() {
            let _ = not_after(&made.der[..end]);
            let mut changed = made.der.clone();
            changed[end] ^= 0xff;
            let _ = not_after(&changed);
        }
    }
}
