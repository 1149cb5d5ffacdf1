//! Writes the tables that the crate embeds: each vocabulary as bytes to search in place, and the
//! class of every character. The vocabularies come from `tiktoken-rs`, the classes from the same
//! Unicode tables that its patterns are matched with.

use std::collections::HashMap;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use regex_syntax::hir::{Class, HirKind};
use tiktoken_rs::CoreBPE;

#[path = "src/layout.rs"]
mod layout;

use layout::{
    BLOCK, CASELESS, EMPTY, LOWER, MARK, NEWLINE, NUMBER, OTHER, SPACE, TAG_BITS, UPPER,
    first_slot, hash, tag,
};

type Failure = Box<dyn Error>;

fn main() -> Result<(), Failure> {
    #[expect(clippy::disallowed_methods, reason = "Cargo says in the environment where to write")]
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    write_vocabulary(&out, "o200k_base", &tiktoken_rs::o200k_base()?)?;
    write_vocabulary(&out, "cl100k_base", &tiktoken_rs::cl100k_base()?)?;
    write_classes(&out)?;
    for file in ["build.rs", "src/layout.rs"] {
        println!("cargo::rerun-if-changed={file}");
    }
    Ok(())
}

/// `NAME.tokens`: each token in the order of its rank, its length before it.
/// `NAME.slots`: a hash table of the places where the tokens stand.
fn write_vocabulary(out: &Path, name: &str, vocabulary: &CoreBPE) -> Result<(), Failure> {
    let ranks = 0..u32::MAX;
    let tokens: Vec<Vec<u8>> =
        ranks.map_while(|rank| vocabulary.decode_bytes(&[rank]).ok()).collect();
    let mut slots = vec![EMPTY; (2 * tokens.len()).next_power_of_two()];
    let mut laid_out = Vec::new();
    for token in &tokens {
        let place = u32::try_from(laid_out.len())?;
        let hash = hash(token);
        let slot = place << TAG_BITS | tag(hash);
        if slot >> TAG_BITS != place || slot == EMPTY {
            return Err(format!("{name} is too large for places of its slots").into());
        }
        let first = first_slot(hash, slots.len());
        let (before, after) = slots.split_at_mut(first);
        let free = after.iter_mut().chain(before).find(|slot| **slot == EMPTY);
        *free.ok_or("no slot is free")? = slot;
        laid_out.push(u8::try_from(token.len())?);
        laid_out.extend(token);
    }
    let slots: Vec<u8> = slots.into_iter().flat_map(u32::to_le_bytes).collect();
    fs::write(out.join(format!("{name}.slots")), slots)?;
    fs::write(out.join(format!("{name}.tokens")), laid_out)?;
    Ok(())
}

/// `classes.blocks`: the different blocks of `BLOCK` characters, a byte for each character.
/// `classes.index`: for each block of Unicode, which of them it is.
fn write_classes(out: &Path) -> Result<(), Failure> {
    let mut classes = vec![OTHER; 0x11_0000];
    for (pattern, class) in [
        (r"[\p{Lu}\p{Lt}]", UPPER),
        (r"\p{Ll}", LOWER),
        (r"[\p{Lm}\p{Lo}]", CASELESS),
        (r"\p{M}", MARK),
        (r"\p{N}", NUMBER),
        (r"\s", SPACE),
        (r"[\r\n]", NEWLINE),
    ] {
        let HirKind::Class(Class::Unicode(ranges)) = regex_syntax::parse(pattern)?.into_kind()
        else {
            // A class of ASCII alone is parsed into one of bytes only where Unicode is off.
            return Err(format!("{pattern} is no class of characters").into());
        };
        for range in ranges.ranges() {
            let range = usize::try_from(u32::from(range.start()))?
                ..=usize::try_from(u32::from(range.end()))?;
            classes.get_mut(range).ok_or("a range beyond Unicode")?.fill(class);
        }
    }
    let mut known: HashMap<&[u8], u8> = HashMap::new();
    let (mut index, mut blocks) = (Vec::new(), Vec::new());
    for block in classes.chunks(BLOCK) {
        let next = u8::try_from(known.len())?;
        let number = *known.entry(block).or_insert_with(|| {
            blocks.extend(block);
            next
        });
        index.push(number);
    }
    fs::write(out.join("classes.index"), index)?;
    fs::write(out.join("classes.blocks"), blocks)?;
    Ok(())
}
