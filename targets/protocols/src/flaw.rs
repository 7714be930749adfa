//! Deliberate bugs: mistakes that a protocol can be told to make, so that the harness can be shown to find
//! them. Each is one small, marked branch in a core.

use std::fmt;
use std::str::FromStr;

/// A mistake that a protocol can be told to make.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Flaw {
    /// A node votes and does not write it down.
    VoteNotPersisted,
    /// A node never writes its term down.
    TermNotPersisted,
    /// A node votes for everyone who asks.
    DoubleVote,
    /// A node votes for candidates whose log lacks entries.
    VoteIgnoresLog,
    /// A follower acknowledges entries and never writes them down.
    LogNotPersisted,
    /// A follower acknowledges entries before they are durable.
    AckBeforePersist,
    /// A follower appends without looking at what comes before.
    NoLogMatchingCheck,
    /// A follower keeps entries that contradict the leader's.
    NoTruncation,
    /// A follower commits entries of its own that the leader never compared.
    CommitBeyondMatch,
    /// A leader commits entries of earlier terms by counting replicas.
    CommitOldTerm,
    /// A node that boots takes its whole log for committed.
    CommitRestoredWrongly,
    /// A leader answers a write when it has appended it itself.
    AcknowledgedBeforeCommit,
    /// Every node answers reads from its own store.
    StaleLocalReads,
    /// A leader answers reads without asking whether it still leads.
    ReadsWithoutQuorum,
    /// A new leader answers reads before it knows what is committed.
    ReadsBeforeFirstCommit,
    /// A leader that meets a higher term takes the term and goes on leading.
    LateStepDown,
    /// A leader trusts its clock instead of asking whether it still leads.
    LeaseReads,
    /// The node under the core writes its log and never syncs it.
    NoSync,
    /// Votes and copies of learners count towards a majority of the voters.
    LearnersCount,
    /// A new leader changes the members before it has committed an entry of its term.
    ChangeBeforeOwnCommit,
    /// A leader changes the members while the last change is not committed.
    TwoChangesAtOnce,
    /// A node uses a configuration only when it knows that it is committed.
    MembersWhenCommitted,
    /// A node keeps using a configuration that was cut from its log.
    MembersNotRolledBack,
    /// A leader that is no longer a member leads on and counts itself.
    RemovedLeaderCounts,
    /// A snapshot lacks the last of the entries for which it stands.
    SnapshotMissesLast,
    /// A follower acknowledges a snapshot that it was brought, and does not write it down.
    SnapshotNotPersisted,
    /// A follower takes a snapshot that is older than its state.
    SnapshotSetsBack,
    /// A follower that takes a snapshot keeps what follows it in a log that contradicts it.
    SnapshotKeepsConflicts,
    /// A follower that takes a snapshot goes on with the members that it knew.
    SnapshotForgetsMembers,
    /// A call that its client sent twice is carried out twice.
    RetryAppliedTwice,
}

/// What is said about a flaw.
struct Profile {
    flaw: Flaw,
    name: &'static str,
    about: &'static str,
    cite: &'static str,
}

impl Flaw {
    /// Every flaw.
    pub const ALL: [Flaw; 30] = [
        Flaw::VoteNotPersisted,
        Flaw::TermNotPersisted,
        Flaw::DoubleVote,
        Flaw::VoteIgnoresLog,
        Flaw::LogNotPersisted,
        Flaw::AckBeforePersist,
        Flaw::NoLogMatchingCheck,
        Flaw::NoTruncation,
        Flaw::CommitBeyondMatch,
        Flaw::CommitOldTerm,
        Flaw::CommitRestoredWrongly,
        Flaw::AcknowledgedBeforeCommit,
        Flaw::StaleLocalReads,
        Flaw::ReadsWithoutQuorum,
        Flaw::ReadsBeforeFirstCommit,
        Flaw::LateStepDown,
        Flaw::LeaseReads,
        Flaw::NoSync,
        Flaw::LearnersCount,
        Flaw::ChangeBeforeOwnCommit,
        Flaw::TwoChangesAtOnce,
        Flaw::MembersWhenCommitted,
        Flaw::MembersNotRolledBack,
        Flaw::RemovedLeaderCounts,
        Flaw::SnapshotMissesLast,
        Flaw::SnapshotNotPersisted,
        Flaw::SnapshotSetsBack,
        Flaw::SnapshotKeepsConflicts,
        Flaw::SnapshotForgetsMembers,
        Flaw::RetryAppliedTwice,
    ];

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        self.profile().name
    }

    /// The protocol that can have it, by its name on the command line.
    pub fn protocol(self) -> &'static str {
        "raft"
    }

    /// What it does, in one line.
    pub fn about(self) -> &'static str {
        self.profile().about
    }

    /// Who made this mistake, or where it is said not to.
    pub fn cite(self) -> &'static str {
        self.profile().cite
    }

    fn profile(self) -> &'static Profile {
        let profile = PROFILES.iter().find(|profile| profile.flaw == self);
        profile.expect("a test looks at every flaw")
    }
}

const PROFILES: [Profile; 30] = [
    Profile {
        flaw: Flaw::VoteNotPersisted,
        name: "vote-not-persisted",
        about: "a node votes and does not write it down, so it may vote twice around a restart",
        cite: "wenweihu86/raft-java #57; Raft, figure 2: votedFor is on stable storage before the answer",
    },
    Profile {
        flaw: Flaw::TermNotPersisted,
        name: "term-not-persisted",
        about: "a node never writes its term down, so a restarted cluster uses old terms again",
        cite: "NodeDB-Lab/nodedb #161; Raft, figure 2: currentTerm is on stable storage before the answer",
    },
    Profile {
        flaw: Flaw::DoubleVote,
        name: "double-vote",
        about: "a node votes for everyone who asks, also twice in one term",
        cite: "microsoft/CCF #8094; Raft §5.2: each server votes for at most one candidate in a given term",
    },
    Profile {
        flaw: Flaw::VoteIgnoresLog,
        name: "vote-ignores-log",
        about: "a node votes for candidates whose log lacks entries that it has",
        cite: "Raft §5.4.1: the voter denies its vote if its own log is more up-to-date",
    },
    Profile {
        flaw: Flaw::LogNotPersisted,
        name: "log-not-persisted",
        about: "a follower acknowledges entries and never writes them down",
        cite: "Raft, figure 2: log[] is on stable storage before the answer",
    },
    Profile {
        flaw: Flaw::AckBeforePersist,
        name: "ack-before-persist",
        about: "a follower acknowledges entries before they are durable",
        cite: "Jepsen: NATS 2.12.1 (2025); Raft, figure 2: log[] is on stable storage before the answer",
    },
    Profile {
        flaw: Flaw::NoLogMatchingCheck,
        name: "no-log-matching-check",
        about: "a follower appends entries whatever the term of the entry before them",
        cite: "Raft §5.3: the follower refuses new entries if it does not find the one before them",
    },
    Profile {
        flaw: Flaw::NoTruncation,
        name: "no-truncation",
        about: "a follower keeps its own entries where they contradict the leader's",
        cite: "Raft §5.3 and figure 7: conflicting entries are overwritten with the leader's",
    },
    Profile {
        flaw: Flaw::CommitBeyondMatch,
        name: "commit-beyond-match",
        about: "a follower believes the leader's commit index for entries that were never compared",
        cite: "Raft, figure 2: commitIndex = min(leaderCommit, index of last new entry)",
    },
    Profile {
        flaw: Flaw::CommitOldTerm,
        name: "commit-old-term",
        about: "a leader commits entries of earlier terms by counting replicas, and sends its own only a second later",
        cite: "Raft §5.4.2 and figure 8",
    },
    Profile {
        flaw: Flaw::CommitRestoredWrongly,
        name: "commit-restored-wrongly",
        about: "a node that boots takes its whole log for committed and applies it",
        cite: "Raft, figure 2: commitIndex is volatile and begins at 0",
    },
    Profile {
        flaw: Flaw::AcknowledgedBeforeCommit,
        name: "acknowledged-before-commit",
        about: "a leader answers a write as soon as it has appended it itself",
        cite: "MongoDB with write concern 1; Raft §5.3: the result is returned once the entry is applied",
    },
    Profile {
        flaw: Flaw::StaleLocalReads,
        name: "stale-local-reads",
        about: "every node answers reads from its own store",
        cite: "ZooKeeper by design; Raft §8: reads must not return stale data",
    },
    Profile {
        flaw: Flaw::ReadsWithoutQuorum,
        name: "reads-without-quorum",
        about: "a leader answers reads without asking whether it still leads, and never checks its quorum",
        cite: "Jepsen: etcd and Consul (2014); Raft §8: heartbeats with a majority come before the answer",
    },
    Profile {
        flaw: Flaw::ReadsBeforeFirstCommit,
        name: "reads-before-first-commit",
        about: "a new leader answers reads before it has committed an entry of its own term",
        cite: "etcd #7331; Raft §8: a leader must have the latest information on which entries are committed",
    },
    Profile {
        flaw: Flaw::LateStepDown,
        name: "late-step-down",
        about: "a leader never checks its quorum, and when it meets a higher term it takes the term and goes on leading",
        cite: "Raft §5.1: if a leader discovers that its term is out of date, it reverts to follower",
    },
    Profile {
        flaw: Flaw::LeaseReads,
        name: "lease-reads",
        about: "a leader answers reads on a lease of its own clock: right while clocks are true, wrong once they are not",
        cite: "thesis 6.4.1: the lease approach assumes a bound on clock drift across servers",
    },
    Profile {
        flaw: Flaw::NoSync,
        name: "no-sync",
        about: "the node writes its log and never syncs it: right when a process is killed, wrong when the power goes",
        cite: "etcd --unsafe-no-fsync; Raft, figure 2: updated on stable storage before responding",
    },
    Profile {
        flaw: Flaw::LearnersCount,
        name: "learners-count",
        about: "votes and copies of nodes that are still learning count towards the majority of the voters",
        cite: "hashicorp/raft #308 (the lease counted non-voters); thesis 4.2.1: a new server is not counted for voting or commitment",
    },
    Profile {
        flaw: Flaw::ChangeBeforeOwnCommit,
        name: "change-before-own-commit",
        about: "a new leader changes the members before it has committed an entry of its own term",
        cite: "atomix/copycat #23; Ongaro to raft-dev, 10 July 2015: bug in single-server membership changes",
    },
    Profile {
        flaw: Flaw::TwoChangesAtOnce,
        name: "two-changes-at-once",
        about: "a leader changes the members while its last change is not committed",
        cite: "hashicorp/raft #84; thesis 4.1: only begin another change once the last one has committed",
    },
    Profile {
        flaw: Flaw::MembersWhenCommitted,
        name: "members-when-committed",
        about: "a node counts by the members that it knows to be committed, not by the latest in its log",
        cite: "etcd #5004 asks about it; thesis 4.1: a server always uses the latest configuration in its log",
    },
    Profile {
        flaw: Flaw::MembersNotRolledBack,
        name: "members-not-rolled-back",
        about: "a node goes on counting by members whose entry was cut from its log, until it restarts",
        cite: "camunda/camunda #57393, canonical/raft #250; thesis 4.1: fall back to the previous configuration in its log",
    },
    Profile {
        flaw: Flaw::RemovedLeaderCounts,
        name: "removed-leader-counts",
        about: "a leader that was removed counts itself, and goes on leading",
        cite: "canonical/raft #235; thesis 4.2.2: a leader that removes itself does not count itself in majorities",
    },
    Profile {
        flaw: Flaw::SnapshotMissesLast,
        name: "snapshot-misses-last",
        about: "a snapshot lacks the effect of the last entry for which it stands",
        cite: "etcd #8091 (raftexample), ArcadeData/arcadedb #5408; Raft §7: the last included index is the last applied",
    },
    Profile {
        flaw: Flaw::SnapshotNotPersisted,
        name: "snapshot-not-persisted",
        about: "a follower acknowledges a snapshot that it was brought, and does not write it down",
        cite: "Raft, figure 13: save the snapshot file, then answer; thesis 5.1",
    },
    Profile {
        flaw: Flaw::SnapshotSetsBack,
        name: "snapshot-sets-back",
        about: "a follower takes a snapshot that is older than its state, and forgets what came after",
        cite: "eBay/NuRaft #407 (ClickHouse Keeper, found by Jepsen), databendlabs/openraft #560",
    },
    Profile {
        flaw: Flaw::SnapshotKeepsConflicts,
        name: "snapshot-keeps-conflicts",
        about: "a follower that takes a snapshot keeps the end of a log that contradicts it",
        cite: "hashicorp/raft #704; Raft, figure 13: discard the entire log",
    },
    Profile {
        flaw: Flaw::SnapshotForgetsMembers,
        name: "snapshot-forgets-members",
        about: "a follower that takes a snapshot goes on counting by the members that it knew before",
        cite: "databendlabs/openraft #1808, async-raft #133; Raft, figure 13: load the snapshot's configuration",
    },
    Profile {
        flaw: Flaw::RetryAppliedTwice,
        name: "retry-applied-twice",
        about: "a call that its client sent twice, because it heard nothing, is carried out twice (shows with --retry)",
        cite: "Raft §8: if the leader crashes after committing and before responding, the client will retry; thesis 6.3",
    },
];

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Flaw {
    type Err = String;

    fn from_str(text: &str) -> Result<Flaw, String> {
        Flaw::ALL.into_iter().find(|flaw| flaw.name() == text).ok_or_else(|| {
            let names = Flaw::ALL.map(Flaw::name).join(", ");
            format!("{text:?} is not a flaw; the flaws are {names}")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flaw_is_listed_once_and_found_by_its_name() {
        for (place, flaw) in Flaw::ALL.into_iter().enumerate() {
            assert_eq!(flaw as usize, place, "{flaw} is listed out of order");
            assert!(!flaw.about().is_empty() && !flaw.cite().is_empty());
            assert_eq!(flaw.name().parse(), Ok(flaw));
        }
    }

    #[test]
    fn an_unknown_name_is_told_the_known_ones() {
        let error = "vote-twice".parse::<Flaw>().unwrap_err();
        assert!(error.contains("\"vote-twice\"") && error.contains("double-vote"), "{error}");
    }
}
