//! Images, documents and sound in a request: inside it as base64, or elsewhere behind a URL.

use super::Inexpressible;

/// Where the bytes are.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Media {
    /// In the request.
    Inline {
        /// Such as `image/png`.
        media_type: String,
        /// The bytes in base64.
        base64: String,
    },
    /// Behind a URL that the provider fetches.
    Remote {
        /// Known only when the URL's path ends in a familiar extension.
        media_type: Option<&'static str>,
        /// An absolute URL.
        url: String,
    },
}

impl Media {
    /// Reads a `data:` URL or an absolute URL.
    pub(super) fn from_url(url: &str, param: &str) -> Result<Self, Inexpressible> {
        let Some((scheme, rest)) = url.split_once(':') else {
            return Err(Inexpressible::new(param, "must be a `data:` or `https:` URL"));
        };
        if !scheme.eq_ignore_ascii_case("data") {
            let path = rest.split(['?', '#']).next().unwrap_or(rest);
            return Ok(Self::Remote { media_type: type_by_extension(path), url: url.to_owned() });
        }
        let (head, data) = rest.split_once(',').unwrap_or((rest, ""));
        let mut fields = head.split(';').map(str::trim);
        let media_type = match fields.next().unwrap_or_default().to_ascii_lowercase().as_str() {
            "" => "text/plain".to_owned(),
            "image/jpg" => "image/jpeg".to_owned(),
            known => known.to_owned(),
        };
        if !fields.any(|field| field.eq_ignore_ascii_case("base64")) || data.is_empty() {
            let wanted = "a `data:` URL must hold base64: `data:image/png;base64,…`";
            return Err(Inexpressible::new(param, wanted));
        }
        Ok(Self::Inline { media_type, base64: data.to_owned() })
    }

    /// Reads a `file` part's `file_data`: a URL, or bare base64 whose type the file name tells.
    pub(super) fn from_file(
        data: &str,
        filename: Option<&str>,
        param: &str,
    ) -> Result<Self, Inexpressible> {
        // Base64 has no colon, so one marks a URL.
        if data.contains(':') {
            return Self::from_url(data, param);
        }
        let media_type = filename.and_then(type_by_extension).unwrap_or("application/pdf");
        Ok(Self::Inline { media_type: media_type.to_owned(), base64: data.to_owned() })
    }
}

fn type_by_extension(path: &str) -> Option<&'static str> {
    let (_, extension) = path.rsplit_once('.')?;
    Some(match extension.to_ascii_lowercase().as_str() {
        "csv" => "text/csv",
        "gif" => "image/gif",
        "heic" => "image/heic",
        "heif" => "image/heif",
        "html" => "text/html",
        "jpeg" | "jpg" => "image/jpeg",
        "json" => "application/json",
        "md" => "text/markdown",
        "mp3" => "audio/mp3",
        "mp4" => "video/mp4",
        "pdf" => "application/pdf",
        "png" => "image/png",
        "txt" => "text/plain",
        "wav" => "audio/wav",
        "webm" => "video/webm",
        "webp" => "image/webp",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_urls_are_taken_apart() {
        let media = Media::from_url("DATA:image/JPG;charset=x;BASE64,AAAA", "p");
        let expected = Media::Inline { media_type: "image/jpeg".into(), base64: "AAAA".into() };
        assert_eq!(media, Ok(expected));
        for wrong in ["data:image/png,AAAA", "data:image/png;base64,", "picture.png", ""] {
            assert!(Media::from_url(wrong, "p").is_err(), "{wrong}");
        }
    }

    #[test]
    fn remote_media_has_the_type_of_its_extension() {
        let Ok(Media::Remote { media_type, .. }) =
            Media::from_url("https://example.com/a.b/cat.PNG?size=2.0", "p")
        else {
            panic!("a URL is remote");
        };
        assert_eq!(media_type, Some("image/png"));
    }

    #[test]
    fn bare_base64_has_the_type_of_its_file_name() {
        let media = Media::from_file("AAAA", Some("notes.txt"), "p");
        let expected = Media::Inline { media_type: "text/plain".into(), base64: "AAAA".into() };
        assert_eq!(media, Ok(expected));
    }
}
