//! Reading ahead: while what was read is heard, another thread reads on.

use history::Entry;
use history::formats::{self, Format, Options, Scanned};
use history::jsonl::ReadError;
use std::io::BufRead;
use std::panic::resume_unwind;
use std::sync::mpsc::{SyncSender, sync_channel};

/// About so many bytes are handed over at once, as they lie in memory: some hundred events, or one that is large.
const BATCH: usize = 1 << 15;

/// So many batches may wait.
const WAITING: usize = 4;

type Batch = Vec<(usize, Entry)>;

/// As [`formats::scan`], which another thread does.
///
/// # Errors
/// As [`formats::scan`].
pub fn scan(
    format: Format,
    source: impl BufRead + Send,
    options: &Options,
    mut visit: impl FnMut(usize, Entry) -> Result<(), ReadError>,
) -> Result<Scanned, ReadError> {
    std::thread::scope(|scope| {
        let (sender, batches) = sync_channel(WAITING);
        let reader = scope.spawn(move || read(format, source, options, &sender));
        let visited = batches.iter().flatten().try_for_each(|(line, entry)| visit(line, entry));
        // If that was an error, nobody listens any more, and the reader learns it.
        drop(batches);
        let scanned = reader.join().unwrap_or_else(|panic| resume_unwind(panic));
        visited.and(scanned)
    })
}

fn read(
    format: Format,
    source: impl BufRead,
    options: &Options,
    sender: &SyncSender<Batch>,
) -> Result<Scanned, ReadError> {
    let (mut batch, mut bytes) = (Vec::new(), 0);
    let unheard = |line| ReadError::Garbled { line, why: "nobody listens any more".to_owned() };
    let scanned = formats::scan(format, source, options, |line, entry| {
        bytes += checkers::weight(&entry.event);
        batch.push((line, entry));
        if bytes < BATCH {
            return Ok(());
        }
        let next = Vec::with_capacity(batch.len());
        bytes = 0;
        sender.send(std::mem::replace(&mut batch, next)).map_err(|_| unheard(line))
    });
    // Whatever stands in front of an error is heard before it is told.
    let _ = sender.send(batch);
    scanned
}

#[cfg(test)]
mod tests {
    use super::*;

    /// So many calls and their answers, one a line.
    fn told(calls: usize) -> String {
        let call = |at: usize| {
            let op = format!(":process {} :f :write :value {}", at % 7, at / 7);
            format!("{{:type :invoke {op}}}\n{{:type :ok {op}}}\n")
        };
        (0..calls).map(call).collect()
    }

    /// Reads both ways, up to so many events: how many there were, and how it ended.
    fn both(told: &str, most: usize) -> (usize, String) {
        let (mut plain, mut ahead) = (Vec::new(), Vec::new());
        let visit = |seen: &mut Vec<_>, line, entry| {
            seen.push((line, entry));
            match seen.len() < most {
                true => Ok(()),
                false => Err(ReadError::Garbled { line, why: "enough".to_owned() }),
            }
        };
        let options = Options::default();
        let ends = [
            formats::scan(Format::Edn, told.as_bytes(), &options, |line, entry| {
                visit(&mut plain, line, entry)
            }),
            scan(Format::Edn, told.as_bytes(), &options, |line, entry| visit(&mut ahead, line, entry)),
        ];
        let [one, other] =
            ends.map(|end| end.map_or_else(|error| error.to_string(), |_| "the end".to_owned()));
        assert_eq!(one, other);
        assert!(plain == ahead, "{} and {} events", plain.len(), ahead.len());
        (plain.len(), one)
    }

    #[test]
    fn it_is_the_same_as_reading() {
        for calls in [1, 100, 200, 400, 800, 5_000] {
            assert_eq!(both(&told(calls), usize::MAX), (2 * calls, "the end".to_owned()));
        }
    }

    #[test]
    fn it_ends_where_either_cannot_go_on() {
        let (seen, end) = both(&(told(1_000) + "garbage"), usize::MAX);
        assert!(seen == 2_000 && end.contains("line 2001"), "{seen} events, then {end}");
        let (seen, end) = both(&told(5_000), 700);
        assert!(seen == 700 && end.contains("enough"), "{seen} events, then {end}");
    }
}
