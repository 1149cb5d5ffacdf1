//! Whether the log is as it was written: of a database beside its checkpoints, or of an export.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};

use audit::{Head, PublicKey, Report, SealKey, Verifier, Witness};
use store::Store;

use super::super::{Failed, print, session};
use super::Verify;
use super::export::{Line, PAGE};
use crate::checkpoints;
use crate::config::{Config, Environment};

pub(super) async fn run(
    asked: Verify,
    mut config: Config,
    environment: Environment,
) -> Result<(), Failed> {
    if let Some(file) = &asked.file {
        return of_file(file, &asked.keys);
    }
    let elsewhere = asked.database.is_some();
    let folders = folders(asked.folders, &config, elsewhere)?;
    let mut trusted = asked.keys;
    if trusted.is_empty() {
        for folder in &folders {
            trusted.extend(checkpoints::load_key(folder)?.map(|key| key.public()));
        }
    }
    if let Some(url) = asked.database {
        config.store.url = url.into();
    }
    let store = session::store(&config, &environment).await?;
    let mut chains: BTreeSet<String> = store.audit_chains().await?.into_iter().collect();
    for folder in &folders {
        chains.extend(checkpoints::chains(folder)?);
    }
    let key = store.audit_seal_key().await?;
    let mut told = Told::default();
    if key.is_none() && !chains.is_empty() {
        told.find("the key that entries are sealed with is gone from the database");
    }
    for chain in &chains {
        // Signed before the entries are read: what comes meanwhile is signed later.
        let mut witness = Witness::default();
        for folder in &folders {
            let text = checkpoints::read(folder, chain)?;
            witness.read(chain, text.lines(), &trusted);
        }
        told.tell(chain, &of_chain(&store, chain, witness, key.as_deref()).await?);
    }
    if told.is_empty() {
        return nothing(store.organization_list().await?.len());
    }
    told.end()
}

/// The folders whose checkpoints are heard. One that is not there would be a witness that says
/// nothing, which is as good as none: a slip of the pen, a disk that is not mounted, or a crime.
fn folders(named: Vec<PathBuf>, config: &Config, elsewhere: bool) -> Result<Vec<PathBuf>, Failed> {
    let is_named = !named.is_empty();
    let folders = if is_named { named } else { vec![config.audit_folder()] };
    for folder in &folders {
        if !folder.is_dir() && (is_named || !elsewhere) {
            return Err(Failed::new(format!(
                "there is no folder of checkpoints {}: mount it, or say where it is with \
                 --checkpoints; `kijun audit verify --database URL` reads the log without any, and \
                 tells less",
                folder.display()
            )));
        }
        if is_named && checkpoints::chains(folder)?.is_empty() {
            return Err(Failed::new(format!(
                "the folder {} holds no checkpoint: say where they are with --checkpoints",
                folder.display()
            )));
        }
    }
    Ok(folders)
}

/// What there is to say where there is neither an entry nor a checkpoint.
fn nothing(organizations: usize) -> Result<(), Failed> {
    if organizations == 0 {
        print::line("there is no entry yet: nothing was changed in this installation");
        return Ok(());
    }
    Err(Failed::new(
        "there is nothing to verify: the installation has organisations, but its audit log has no \
         entry, and no checkpoint says that there was one. Every organisation is made with an \
         entry, so the log was lost or removed; look at copies of the checkpoints (--checkpoints), \
         at exports, and in shipped logs for `the end of the audit log`",
    ))
}

/// Reads a chain to its end, which may move meanwhile.
async fn of_chain(
    store: &Store,
    chain: &str,
    witness: Witness,
    key: Option<&SealKey>,
) -> Result<Report, Failed> {
    let mut verifier = Verifier::new(witness, key);
    let mut last = 0;
    loop {
        let links = store.audit_read(chain, last, PAGE).await?;
        links.iter().for_each(|link| verifier.link(link));
        if let Some(link) = links.last() {
            last = link.entry.sequence;
            continue;
        }
        // An entry and its head come at once, so one that is ahead has its entries by now.
        let heads = store.audit_heads().await?;
        let head = heads.iter().find(|head| head.chain == chain);
        let moved = head.is_some_and(|head| head.sequence > last);
        if !moved || store.audit_read(chain, last, 1).await?.is_empty() {
            return Ok(verifier.end(Some(head)));
        }
    }
}

/// An export, chain by chain. It says itself who signed its checkpoints, unless somebody else does.
fn of_file(path: &Path, keys: &[PublicKey]) -> Result<(), Failed> {
    let unreadable = |why: String| Failed::new(format!("{} cannot be read: {why}", path.display()));
    let file = File::open(path).map_err(|error| unreadable(error.to_string()))?;
    let mut told = Told::default();
    let mut signers = BTreeSet::new();
    let mut chain: Option<Chain> = None;
    for (number, line) in (1..).zip(BufReader::new(file).lines()) {
        let text = line.map_err(|error| unreadable(error.to_string()))?;
        let line: Line = serde_json::from_str(&text)
            .map_err(|error| unreadable(format!("line {number} is none of an export: {error}")))?;
        let name = match &line {
            Line::Checkpoint(checkpoint) => &checkpoint.chain,
            Line::Entry(link) => &link.entry.chain,
            Line::Head(head) => &head.chain,
        };
        if chain.as_ref().is_none_or(|chain| chain.name != *name)
            && let Some(done) = chain.replace(Chain::new(name))
        {
            told.tell(&done.name.clone(), &done.end());
        }
        let Some(chain) = &mut chain else { continue };
        match line {
            Line::Checkpoint(checkpoint) => {
                signers.insert(checkpoint.key.to_string());
                let trusted = if keys.is_empty() { vec![checkpoint.key] } else { keys.to_vec() };
                chain.checkpoint(&serde_json::to_string(&checkpoint)?, &trusted);
            }
            Line::Entry(link) => chain.verifier().link(&link),
            Line::Head(head) => chain.head = Some(head),
        }
    }
    let Some(done) = chain else {
        return Err(Failed::new(format!(
            "{} is empty: an export has at least one chain",
            path.display()
        )));
    };
    told.tell(&done.name.clone(), &done.end());
    if keys.is_empty() {
        for signer in signers {
            print::line(&format!(
                "note: signed with {signer}; compare it with `kijun audit key` on the node"
            ));
        }
    }
    told.end()
}

/// A chain of an export, as its lines come.
struct Chain {
    name: String,
    lines: Vec<String>,
    trusted: Vec<PublicKey>,
    verifier: Option<Verifier<'static>>,
    head: Option<Head>,
}

impl Chain {
    fn new(name: &str) -> Self {
        let (lines, trusted) = (Vec::new(), Vec::new());
        Self { name: name.to_owned(), lines, trusted, verifier: None, head: None }
    }

    fn checkpoint(&mut self, line: &str, trusted: &[PublicKey]) {
        self.lines.push(line.to_owned());
        self.trusted.extend(trusted);
    }

    /// What checks the entries, once all checkpoints are read.
    fn verifier(&mut self) -> &mut Verifier<'static> {
        self.verifier.get_or_insert_with(|| {
            let mut witness = Witness::default();
            witness.read(&self.name, self.lines.iter().map(String::as_str), &self.trusted);
            Verifier::new(witness, None)
        })
    }

    fn end(mut self) -> Report {
        self.verifier();
        let head = self.head.as_ref();
        match self.verifier {
            Some(verifier) => verifier.end(Some(head)),
            None => Verifier::new(Witness::default(), None).end(Some(head)),
        }
    }
}

/// What was told so far.
#[derive(Default)]
struct Told {
    entries: u64,
    checkpoints: usize,
    findings: usize,
    unwitnessed: bool,
}

impl Told {
    /// Whether neither an entry nor a checkpoint was read, nor anything found.
    const fn is_empty(&self) -> bool {
        self.entries == 0 && self.checkpoints == 0 && self.findings == 0
    }

    /// Something that is wrong with all chains.
    fn find(&mut self, what: &str) {
        self.findings += 1;
        print::line(what);
    }

    fn tell(&mut self, chain: &str, report: &Report) {
        let Report { entries, checkpoints, witnessed, findings } = report;
        self.entries += entries;
        self.checkpoints += checkpoints;
        self.findings += findings.len();
        self.unwitnessed |= *checkpoints == 0 && *entries > 0;
        let verdict = match findings.len() {
            0 => "as it was written".to_owned(),
            1 => "ALTERED, 1 finding".to_owned(),
            many => format!("ALTERED, {many} findings"),
        };
        print::line(&format!(
            "{chain}: entries: {entries}, checkpoints: {checkpoints} (up to entry {witnessed}): {verdict}"
        ));
        for finding in findings {
            print::line(&format!("  {finding}"));
        }
    }

    fn end(self) -> Result<(), Failed> {
        if self.unwitnessed {
            print::line(
                "note: where there is no checkpoint, an end that was cut off is found by the \
                 chain's head alone",
            );
        }
        match self.findings {
            0 => Ok(()),
            1 => Err(Failed::new("the audit log was altered: 1 finding")),
            many => Err(Failed::new(format!("the audit log was altered: {many} findings"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_that_was_dropped_with_its_checkpoints_is_told() {
        assert!(nothing(0).is_ok(), "a new installation");
        let error = nothing(1).unwrap_err().to_string();
        assert!(error.contains("nothing to verify") && error.contains("removed"), "{error}");
    }

    #[test]
    fn what_was_read_or_found_is_not_nothing() {
        assert!(Told::default().is_empty());
        assert!(!Told { checkpoints: 1, ..Told::default() }.is_empty());
        assert!(!Told { entries: 1, ..Told::default() }.is_empty());
        assert!(!Told { findings: 1, ..Told::default() }.is_empty());
    }
}
