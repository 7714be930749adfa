//! How messages and records become bytes: postcard. Framing and checksums are the driver's.

use serde::Serialize;
use serde::de::DeserializeOwned;

/// The bytes of a message or record.
///
/// # Panics
/// Never, for the types of this crate: they have no maps with unknown length and no foreign serialisers.
pub fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    postcard::to_stdvec(value).expect("our own types are always encodable")
}

/// The message or record of these bytes.
///
/// # Errors
/// If they are not one, or have something after it.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
    match postcard::take_from_bytes(bytes) {
        Ok((value, [])) => Ok(value),
        Ok((_, rest)) => Err(format!("{} bytes too many", rest.len())),
        Err(error) => Err(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::raft::{Command, Entry, Members, Message, Place, Record, Snapshot};
    use crate::{Reading, Store};
    use history::{Call, Key, NodeId, ProcessId, Ticket, Time, Value};

    fn entries() -> Vec<Entry> {
        let (key, value) = (Key(7), Value(-3));
        let ticket = Ticket { process: ProcessId(300), number: u64::MAX };
        let at = Some(Reading { reign: 7, time: Time(u64::MAX) });
        let called = |call| Command::Call { ticket, call, at: None };
        let commands = [
            Command::Nothing,
            called(Call::Read { key }),
            called(Call::Write { key, value }),
            called(Call::Cas { key, expected: None, new: value }),
            called(Call::Cas { key, expected: Some(value), new: Value(i64::MAX) }),
            Command::Call { ticket, call: Call::Acquire { key, lease_ms: Some(u64::MAX) }, at },
            called(Call::Acquire { key, lease_ms: None }),
            Command::Members(Members::founders(&NodeId::all(3))),
            Command::Other(vec![7, 0]),
        ];
        commands.into_iter().map(|command| Entry { term: u64::MAX, command }).collect()
    }

    fn messages() -> Vec<Message> {
        let (term, round, place) = (3, 9, Place { term: 2, index: 300 });
        vec![
            Message::Canvass { term, last: place },
            Message::Support { term, granted: true },
            Message::RequestVote { term, last: place },
            Message::Vote { term, granted: false },
            Message::Append { term, previous: place, entries: entries(), commit: 5, round },
            Message::Append { term, previous: place, entries: Vec::new(), commit: 5, round },
            Message::Ack { term, matched: 4, round },
            Message::Reject { term, rejected: 4, conflict: place, round },
            Message::Install { term, last: place, offset: 9, data: vec![7; 3], done: true, round },
            Message::Received { term, last: place, bytes: 12, round },
            Message::Stale { term },
            Message::TimeoutNow { term },
            Message::Persisted { term, index: 4 },
        ]
    }

    #[test]
    fn messages_come_back_as_they_went() {
        for message in messages() {
            assert_eq!(decode(&encode(&message)), Ok(message));
        }
    }

    fn snapshot() -> Snapshot {
        let mut store = Store::default();
        let ticket = Ticket { process: ProcessId(1), number: 2 };
        store.apply(ticket, &Call::Write { key: Key(7), value: Value(-3) }, None);
        let ticket = Ticket { number: 3, ..ticket };
        let at = Some(Reading { reign: 7, time: Time(9) });
        store.apply(ticket, &Call::Acquire { key: Key(8), lease_ms: Some(500) }, at);
        Snapshot {
            last: Place { term: 2, index: 5 },
            members: (4, Members::founders(&NodeId::all(3))),
            store,
        }
    }

    #[test]
    fn records_come_back_as_they_went() {
        let members = (0, Members::founders(&NodeId::all(2)));
        let mut records = vec![
            Record::Ballot { term: 8, vote: None },
            Record::Ballot { term: 8, vote: Some(NodeId(5)) },
            Record::Truncate { from: 2 },
            Record::Snapshot { snapshot: Box::new(snapshot()), base: Place { term: 1, index: 3 }, members },
        ];
        records.extend((1..).zip(entries()).map(|(index, entry)| Record::Append { index, entry }));
        for record in records {
            assert_eq!(decode(&encode(&record)), Ok(record));
        }
    }

    #[test]
    fn what_is_too_short_too_long_or_nonsense_is_an_error_and_no_panic() {
        for message in messages() {
            let bytes = encode(&message);
            for end in 0..bytes.len() {
                assert!(decode::<Message>(&bytes[..end]).is_err(), "{message:?} cut at {end}");
            }
            let longer = [bytes.as_slice(), &[0]].concat();
            assert_eq!(decode::<Message>(&longer), Err("1 bytes too many".to_owned()));
        }
        assert!(decode::<Message>(&[0xff; 40]).is_err());
    }

    #[test]
    fn a_heartbeat_is_small() {
        let previous = Place { term: 2, index: 1000 };
        let heartbeat = Message::Append { term: 2, previous, entries: Vec::new(), commit: 1000, round: 100 };
        assert!(encode(&heartbeat).len() < 16);
    }
}
