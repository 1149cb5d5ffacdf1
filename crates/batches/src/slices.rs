//! Input files in pieces: lines one by one for checking, slices for answering.

use std::collections::HashSet;

use bytes::Bytes;
use files::{FilesError, Reader};
use store::{Slice, TakenSlice};

use crate::line::{InputLine, Line};

/// Lines of a slice at most: what is answered again, at worst, when a node dies is far less, but
/// what waits with a node that is slow is this.
const SLICE_LINES: u32 = 50;
/// A slice with more bytes than this takes no more lines, so that long lines do not fill memory.
const SLICE_BYTES: u64 = 512 * 1024;

/// Cuts a file into slices, line by line.
#[derive(Debug, Default)]
pub(crate) struct Cutter {
    done: Vec<Slice>,
    open: Option<Slice>,
}

impl Cutter {
    /// The next line of the file begins here.
    pub(crate) fn line(&mut self, number: u32, offset: u64) {
        if let Some(slice) = &mut self.open {
            slice.byte_length = offset - slice.byte_offset;
        }
        let full =
            |slice: &Slice| slice.line_count >= SLICE_LINES || slice.byte_length >= SLICE_BYTES;
        if self.open.as_ref().is_some_and(full) {
            self.done.extend(self.open.take());
        }
        let slice = self.open.get_or_insert_with(|| Slice {
            number: u32::try_from(self.done.len()).unwrap_or(u32::MAX),
            first_line: number,
            line_count: 0,
            byte_offset: offset,
            byte_length: 0,
        });
        slice.line_count += 1;
    }

    /// The file ends here.
    pub(crate) fn finish(mut self, size: u64) -> Vec<Slice> {
        if let Some(slice) = &mut self.open {
            slice.byte_length = size - slice.byte_offset;
        }
        self.done.extend(self.open);
        self.done
    }
}

/// The lines of a slice that have no answer yet.
pub(crate) async fn unanswered(
    reader: &Reader,
    taken: &TakenSlice,
) -> Result<Vec<Line>, FilesError> {
    let slice = taken.slice;
    let bytes = reader.read_range(slice.byte_offset, slice.byte_length).await?;
    Ok(lines(&slice, &taken.answered, &bytes))
}

fn lines(slice: &Slice, answered: &HashSet<u32>, bytes: &Bytes) -> Vec<Line> {
    let numbered = (slice.first_line..).zip(bytes.split(|byte| *byte == b'\n'));
    let missing = numbered.filter(|(number, _)| !answered.contains(number));
    let read = missing.filter_map(|(number, text)| {
        // What is blank passed the check; everything else that did can be read.
        let input = InputLine::read(text)?;
        let body = input.body?.get();
        Some(Line {
            slice: slice.number,
            number,
            custom_id: input.custom_id()?,
            body: bytes.slice_ref(body.as_bytes()),
        })
    });
    read.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_cut_without_gaps() {
        let mut cutter = Cutter::default();
        let mut offset = 0;
        for number in 1..=120 {
            let length = if number == 3 { SLICE_BYTES + 1 } else { 100 };
            cutter.line(number, offset);
            offset += length;
        }
        let slices = cutter.finish(offset);
        let shape: Vec<_> = slices.iter().map(|s| (s.number, s.first_line, s.line_count)).collect();
        assert_eq!(shape, [(0, 1, 3), (1, 4, 50), (2, 54, 50), (3, 104, 17)]);
        let mut end = 0;
        for slice in slices {
            assert_eq!(slice.byte_offset, end);
            end += slice.byte_length;
        }
        assert_eq!(end, offset);
    }

    #[test]
    fn only_lines_without_an_answer_are_read() {
        let text = "{\"custom_id\":\"a\",\"body\":{\"n\":1}}\n\n{\"custom_id\":\"b\",\"body\":{}}\r\n\
                    {\"custom_id\":\"c\",\"body\":{\"n\": 3}}";
        let slice =
            Slice { number: 4, first_line: 10, line_count: 4, byte_offset: 0, byte_length: 0 };
        let read = lines(&slice, &HashSet::from([12]), &Bytes::from(text));
        let read: Vec<_> =
            read.iter().map(|line| (line.number, line.custom_id.as_str(), &*line.body)).collect();
        assert_eq!(read, [(10, "a", &b"{\"n\":1}"[..]), (13, "c", &b"{\"n\": 3}"[..])]);
    }
}
