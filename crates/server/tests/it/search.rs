//! Looks for a word in all the disguises in which it could be written down.

use std::fs;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};

/// A search for a word of plain ASCII, which JSON, URLs and SQL leave as it is.
pub(crate) struct Search(Vec<(&'static str, String)>);

impl Search {
    pub(crate) fn new(word: &str) -> Self {
        let bytes = word.bytes();
        let hex: String = bytes.clone().map(|byte| format!("{byte:02x}")).collect();
        let escaped: String = bytes.map(|byte| format!("\\u{byte:04x}")).collect();
        let mut forms = vec![
            ("plain", word.to_owned()),
            ("hexadecimal", hex.to_uppercase()),
            ("hexadecimal", hex),
            ("escaped", escaped),
        ];
        // In base64 a word looks different by where it begins.
        for before in 0..3 {
            let text = [&"x".repeat(before), word].concat();
            let (first, last) = ((before * 8).div_ceil(6), text.len() * 8 / 6);
            for engine in [STANDARD, URL_SAFE] {
                forms.push(("base64", engine.encode(&text)[first..last].to_owned()));
            }
        }
        Self(forms)
    }

    /// Where it is found in what is there under this name.
    pub(crate) fn in_bytes(&self, name: &str, bytes: &[u8]) -> Vec<String> {
        // What is no UTF-8 is replaced, the forms between it stay.
        let text = String::from_utf8_lossy(bytes);
        let found = self.0.iter().filter(|(_, form)| text.contains(form));
        found.map(|(form, _)| format!("{form} in {name}")).collect()
    }

    /// Where it is found in files of this folder and all below it. Their names count too.
    pub(crate) fn below(&self, folder: &Path) -> Vec<String> {
        let mut found = Vec::new();
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.display().to_string();
            found.extend(self.in_bytes(&format!("the name {name}"), name.as_bytes()));
            if path.is_dir() {
                found.extend(self.below(&path));
            } else if let Ok(bytes) = fs::read(&path) {
                // One that is gone again holds nothing.
                found.extend(self.in_bytes(&name, &bytes));
            }
        }
        found
    }

    /// Where it is found in files that a process has open, deleted ones among them.
    pub(crate) fn in_open_files(&self, process: u32) -> Vec<String> {
        let Ok(open) = fs::read_dir(format!("/proc/{process}/fd")) else { return Vec::new() };
        let paths = open.map(|entry| entry.unwrap().path());
        let files = paths.filter(|path| fs::metadata(path).is_ok_and(|file| file.is_file()));
        let read =
            files.filter_map(|path| Some((path.display().to_string(), fs::read(path).ok()?)));
        read.flat_map(|(name, bytes)| self.in_bytes(&name, &bytes)).collect()
    }
}

#[test]
fn every_disguise_is_seen_through() {
    const WORD: &str = "Kanari7q";
    let search = Search::new(WORD);
    let hidden = [
        format!("{{\"text\":\"a {WORD}\"}}"),
        WORD.bytes().map(|byte| format!("\\u{byte:04x}")).collect(),
        WORD.bytes().map(|byte| format!("{byte:02x}")).collect(),
        STANDARD.encode(WORD),
        URL_SAFE.encode(format!("a{WORD}s")),
        STANDARD.encode(format!("some {WORD}?!")),
    ];
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    for text in hidden {
        fs::write(&file, [&b"\xff\0"[..], text.as_bytes(), b"\xfe"].concat()).unwrap();
        assert!(!search.below(folder.path()).is_empty(), "{text}");
    }
    fs::write(&file, "Nachtigall").unwrap();
    assert!(search.below(folder.path()).is_empty());
    fs::write(folder.path().join(WORD), "").unwrap();
    assert!(!search.below(folder.path()).is_empty());
}
