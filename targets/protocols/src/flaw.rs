//! Deliberate bugs: mistakes that a protocol can be told to make, so that the harness can be shown to find
//! them. Each is one small, marked branch in a core.

use std::fmt;
use std::str::FromStr;

/// What is said about a flaw.
struct Profile {
    protocols: &'static [&'static str],
    name: &'static str,
    about: &'static str,
    cite: &'static str,
}

/// Writes the table below as a type. A section names the protocols whose core can make its mistakes; each flaw says
/// its name on the command line, what it does, and who made this mistake or where it is said not to.
macro_rules! flaws {
    ($($protocols:expr => { $($flaw:ident $name:literal $about:literal $cite:literal,)+ })+) => {
        /// A mistake that a protocol can be told to make.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Flaw {
            $($(#[doc = $about] $flaw,)+)+
        }

        impl Flaw {
            /// Every flaw, in the order of the table.
            pub const ALL: &[Flaw] = &[$($(Flaw::$flaw,)+)+];

            fn profile(self) -> Profile {
                match self {
                    $($(Flaw::$flaw => Profile {
                        protocols: &$protocols,
                        name: $name,
                        about: $about,
                        cite: $cite,
                    },)+)+
                }
            }
        }
    };
}

flaws! {
    ["raft"] => {
        VoteNotPersisted "vote-not-persisted"
            "a node votes and does not write it down, so it may vote twice around a restart"
            "wenweihu86/raft-java #57; Raft, figure 2: votedFor is on stable storage before the answer",
        TermNotPersisted "term-not-persisted"
            "a node never writes its term down, so a restarted cluster uses old terms again"
            "NodeDB-Lab/nodedb #161; Raft, figure 2: currentTerm is on stable storage before the answer",
        DoubleVote "double-vote"
            "a node votes for everyone who asks, also twice in one term"
            "microsoft/CCF #8094; Raft §5.2: each server votes for at most one candidate in a given term",
        VoteIgnoresLog "vote-ignores-log"
            "a node votes for candidates whose log lacks entries that it has"
            "Raft §5.4.1: the voter denies its vote if its own log is more up-to-date",
        LogNotPersisted "log-not-persisted"
            "a follower acknowledges entries and never writes them down"
            "Raft, figure 2: log[] is on stable storage before the answer",
        AckBeforePersist "ack-before-persist"
            "a follower acknowledges entries before they are durable"
            "Jepsen: NATS 2.12.1 (2025); Raft, figure 2: log[] is on stable storage before the answer",
        NoLogMatchingCheck "no-log-matching-check"
            "a follower appends entries whatever the term of the entry before them"
            "Raft §5.3: the follower refuses new entries if it does not find the one before them",
        NoTruncation "no-truncation"
            "a follower keeps its own entries where they contradict the leader's"
            "Raft §5.3 and figure 7: conflicting entries are overwritten with the leader's",
        CommitBeyondMatch "commit-beyond-match"
            "a follower believes the leader's commit index for entries that were never compared"
            "Raft, figure 2: commitIndex = min(leaderCommit, index of last new entry)",
        CommitOldTerm "commit-old-term"
            "a leader commits entries of earlier terms by counting replicas, and sends its own only a second later"
            "Raft §5.4.2 and figure 8",
        CommitRestoredWrongly "commit-restored-wrongly"
            "a node that boots takes its whole log for committed and applies it"
            "Raft, figure 2: commitIndex is volatile and begins at 0",
        AcknowledgedBeforeCommit "acknowledged-before-commit"
            "a leader answers a write as soon as it has appended it itself"
            "MongoDB with write concern 1; Raft §5.3: the result is returned once the entry is applied",
        StaleLocalReads "stale-local-reads"
            "every node answers reads from its own store"
            "ZooKeeper by design; Raft §8: reads must not return stale data",
        ReadsWithoutQuorum "reads-without-quorum"
            "a leader answers reads without asking whether it still leads, and never checks its quorum"
            "Jepsen: etcd and Consul (2014); Raft §8: heartbeats with a majority come before the answer",
        ReadsBeforeFirstCommit "reads-before-first-commit"
            "a new leader answers reads before it has committed an entry of its own term"
            "etcd #7331; Raft §8: a leader must have the latest information on which entries are committed",
        LateStepDown "late-step-down"
            "a leader never checks its quorum, and when it meets a higher term it takes the term and goes on leading"
            "Raft §5.1: if a leader discovers that its term is out of date, it reverts to follower",
        LeaseReads "lease-reads"
            "a leader answers reads on a lease of its own clock: right while clocks are true, wrong once they are not"
            "thesis 6.4.1: the lease approach assumes a bound on clock drift across servers",
        NoSync "no-sync"
            "the node writes its log and never syncs it: right when a process is killed, wrong when the power goes"
            "etcd --unsafe-no-fsync; Raft, figure 2: updated on stable storage before responding",
        LearnersCount "learners-count"
            "votes and copies of nodes that are still learning count towards the majority of the voters"
            "hashicorp/raft #308 (the lease counted non-voters); thesis 4.2.1: a new server is not counted for voting or commitment",
        ChangeBeforeOwnCommit "change-before-own-commit"
            "a new leader changes the members before it has committed an entry of its own term"
            "atomix/copycat #23; Ongaro to raft-dev, 10 July 2015: bug in single-server membership changes",
        TwoChangesAtOnce "two-changes-at-once"
            "a leader changes the members while its last change is not committed"
            "hashicorp/raft #84; thesis 4.1: only begin another change once the last one has committed",
        MembersWhenCommitted "members-when-committed"
            "a node counts by the members that it knows to be committed, not by the latest in its log"
            "etcd #5004 asks about it; thesis 4.1: a server always uses the latest configuration in its log",
        MembersNotRolledBack "members-not-rolled-back"
            "a node goes on counting by members whose entry was cut from its log, until it restarts"
            "camunda/camunda #57393, canonical/raft #250; thesis 4.1: fall back to the previous configuration in its log",
        RemovedLeaderCounts "removed-leader-counts"
            "a leader that was removed counts itself, and goes on leading"
            "canonical/raft #235; thesis 4.2.2: a leader that removes itself does not count itself in majorities",
        SnapshotMissesLast "snapshot-misses-last"
            "a snapshot lacks the effect of the last entry for which it stands"
            "etcd #8091 (raftexample), ArcadeData/arcadedb #5408; Raft §7: the last included index is the last applied",
        SnapshotNotPersisted "snapshot-not-persisted"
            "a follower acknowledges a snapshot that it was brought, and does not write it down"
            "Raft, figure 13: save the snapshot file, then answer; thesis 5.1",
        SnapshotSetsBack "snapshot-sets-back"
            "a follower takes a snapshot that is older than its state, and forgets what came after"
            "eBay/NuRaft #407 (ClickHouse Keeper, found by Jepsen), databendlabs/openraft #560",
        SnapshotKeepsConflicts "snapshot-keeps-conflicts"
            "a follower that takes a snapshot keeps the end of a log that contradicts it"
            "hashicorp/raft #704; Raft, figure 13: discard the entire log",
        SnapshotForgetsMembers "snapshot-forgets-members"
            "a follower that takes a snapshot goes on counting by the members that it knew before"
            "databendlabs/openraft #1808, async-raft #133; Raft, figure 13: load the snapshot's configuration",
        RetryAppliedTwice "retry-applied-twice"
            "a call that its client sent twice, because it heard nothing, is carried out twice (shows with --retry)"
            "Raft §8: if the leader crashes after committing and before responding, the client will retry; thesis 6.3",
        SnapshotForgetsSessions "snapshot-forgets-sessions"
            "a snapshot lacks what became of each client's last call (shows with --retry)"
            "atomix/atomix #1101 (sessions of other services are lost in a snapshot); thesis 6.3: sessions are part of the state",
        SnapshotForgetsTokens "snapshot-forgets-tokens"
            "a snapshot lacks the last fencing token of each lock, so that tokens are given twice"
            "Kleppmann, How to do distributed locking (2016): the token increases every time that a client acquires the lock",
        LockWithoutFencing "lock-without-fencing"
            "a register takes what the holder of a lock writes, and does not compare its fencing token"
            "Kleppmann, How to do distributed locking (2016): the storage rejects a write with an older token; Jepsen: etcd 3.4.3 (2020), whose locks two clients hold at once",
        UnlockedByAnybody "unlocked-by-anybody"
            "who lets go of a lock after its lease is over lets it go for whoever holds it by now"
            "delta-io/delta-rs #440, nexspence #223; Redis documentation, distributed locks: it is released only if it still is one's own",
        LeaseByOwnClock "lease-by-own-clock"
            "every node judges by its own clock, when it applies an entry, whether a lease is over"
            "hashicorp/nomad #13725, databendlabs/databend #7325: the time is in the log entry, or replicas differ",
        LeaseByAnyClock "lease-by-any-clock"
            "leases are measured by the clocks of one leader after the other, as if they all showed the same"
            "etcd #2508 (TTLs expire prematurely around elections), #13294: it counts what passes under one leader, and no deadline",
        SnapshotForgetsIds "snapshot-forgets-ids"
            "a snapshot lacks the last number of each source of ids, so that numbers are given twice"
            "apache/iggy #3753 (ids begin at 1 again after recovery); thesis 5.1: a snapshot is the whole state",
        SnapshotForgetsRevision "snapshot-forgets-revision"
            "a snapshot lacks the number of the last change, so that later changes get smaller numbers"
            "etcd #13766 (revisions of members differ after crashes); thesis 5.1: a snapshot is the whole state",
        SnapshotForgetsChanges "snapshot-forgets-changes"
            "a snapshot lacks what each register held before, so that who watches misses changes and is not told"
            "etcd #8411 and #9281 (a member that was brought a snapshot does not send the events to those who watch)",
        SnapshotForgetsAccounts "snapshot-forgets-accounts"
            "a snapshot has half of the bank's accounts as they are, and the other half as they once were"
            "a fuzzy snapshot without the log that it needs: Hunt and others, ZooKeeper (2010), §4.3",
        ClaimsBeforeElected "claims-before-elected"
            "a candidate tells whoever asks that it leads"
            "Raft §5.2: a candidate wins an election if it receives votes from a majority",
        CasComparesOld "cas-compares-old"
            "a compare-and-set is content with what the register held before it was written last"
            "deventlab/d-engine #371 (found with Jepsen: compared with what was there before its batch); Herlihy, Wait-free Synchronization (1991)",
        UnchangedEndsTransaction "unchanged-ends-transaction"
            "a transaction that writes what a register holds already changes nothing from there on"
            "ocaml-multicore/kcas #23 (a shortcut for registers that are left as they were let transactions go wrong)",
        OwnAppendsUnseen "own-appends-unseen"
            "a transaction does not see what it has appended itself"
            "ydb-platform/ydb #17679 (found with Jepsen); Adya, Weak Consistency (1999), §4.2: a transaction reads its own last version",
        FirstWriteStays "first-write-stays"
            "of two writes of one register in one transaction the first stays"
            "ipfs/go-ds-flatfs #150, facebook/rocksdb #2969 (a key that is twice in a batch)",
        FirstPageOnly "first-page-only"
            "a look at a set ends with its first 256 elements"
            "8thpark/geode #35 (S3 lists 1000 keys, and there may be more): nobody asks for the next page",
        GrowthHides "growth-hides"
            "a look at a set that has just grown to a power of two misses an element"
            "redis #4906, valkey #1217 (a scan misses elements while the table is rehashed)",
        ListByCall "list-by-call"
            "a read of a list finds its values in the order in which clients chose them, not in that of the appends"
            "scylladb #6846 and #7611 (lists are ordered by the clock of whoever took the call)",
        CounterStopsAtZero "counter-stops-at-zero"
            "a counter that would fall below zero stands at zero"
            "memcached's decr by design; zendesk/prop #26, top-think/framework #238",
        Overdraws "overdraws"
            "a transfer moves money that is not there"
            "Flexcoin (2014), robbed by withdrawals that overdrew an account: Warszawski and Bailis, ACIDRain (2017)",
        IdsWrap "ids-wrap"
            "a source of ids begins again after 256 of them"
            "aevitas/flakeid #23, dustinrouillard/snowflake-id #3 (a sequence that is used up begins again)",
        TokenGoesWithLock "token-goes-with-lock"
            "the fencing token is kept with the lock, and begins again when somebody lets it go"
            "etcd's API: a deletion resets the version of a key (its locks go by revisions); Kleppmann, How to do distributed locking (2016)",
        SpilledFirst "spilled-first"
            "a queue takes out what did not fit into memory before what did"
            "rsyslog #5407 (what was spilled to disk comes out of order), samtools/htsjdk #376",
        StampsOfSignedBytes "stamps-of-signed-bytes"
            "the last byte of a row's stamp counts as a signed number"
            "scylladb #7717 (found with Jepsen: bytes of time stamps compared as signed, so they do not ascend)",
    }
    ["abd"] => {
        ReadWithoutWriteBack "read-without-write-back"
            "a node answers a read with the newest that it has found, and makes sure of it nowhere"
            "Lamport, On Interprocess Communication (1986): that is regular, not atomic; Attiya, Bar-Noy and Dolev (1995): a reader announces what it is about to return",
        TagNotPersisted "tag-not-persisted"
            "a node acknowledges a version and writes it down with whatever comes next"
            "Cassandra with commitlog_sync: periodic; Guerraoui and Levy, Robust Emulations of Shared Memory in a Crash-Recovery Model (2004)",
        OwnCounter "own-counter"
            "a writer asks nobody what is there, and takes the tag after the one that it holds itself"
            "Lynch and Shvartsman (1997): many writers query before they propagate; Jepsen: Cassandra (2013), where each client's clock says who was last",
        HalfAnswers "half-answers"
            "half of the nodes, rounded down, count as a majority"
            "Gifford, Weighted Voting for Replicated Data (1979): r + w must be greater than the number of votes",
        TiesNotBroken "ties-not-broken"
            "of two writes with the same number a node keeps the one that comes first, whoever wrote it"
            "Lynch and Shvartsman (1997): tags are pairs of a number and a writer, compared in this order",
        AnyAnswerCounts "any-answer-counts"
            "an acknowledgement counts for whichever call has waited for one the longest"
            "Attiya, Bar-Noy and Dolev (1995), procedure communicate: an answer belongs to its question",
    }
    ["primary-backup"] => {
        AckBeforeBackups "ack-before-backups"
            "a primary answers a write when it has it itself"
            "Redis with Sentinel (Jepsen, 2013); Alsberg and Day (1976): the client is answered when another host has the change as well",
        ServesBeforeEveryoneJoined "serves-before-everyone-joined"
            "a new primary takes all that it holds for answered, before everyone has joined its epoch"
            "Lin and others, PacificA (2008): a new primary first commits what is on its prepared list, at all replicas",
        OldPrimaryAccepted "old-primary-accepted"
            "a backup takes copies from the primary of an epoch that is over"
            "Lin and others, PacificA (2008): a request that names an older configuration is rejected; Kafka KIP-101: leader epochs",
        BackupForgetsEpoch "backup-forgets-epoch"
            "a node never writes its epoch down, so after a restart it takes part in old ones and leads one twice"
            "Liskov and Cowling, Viewstamped Replication Revisited (2012), section 4.3: a replica that forgets its view must recover before it takes part",
        DeposedPrimaryReads "deposed-primary-reads"
            "a node that has led goes on answering reads when another does"
            "Budhiraja and others (1993), Pb1 and Pb3: there is one primary, and a request at a server that is not is not served",
    }
    ["gossip"] => {
        MergeAdds "merge-adds"
            "what another node says was counted is added to what is known here"
            "Shapiro and others, RR-7506 (2011), specification 6: the merge takes the maximum of each entry, for a state may come twice",
        MergeOverwrites "merge-overwrites"
            "what another node knows replaces what is known here"
            "Shapiro and others, Conflict-free Replicated Data Types (2011): a state is replaced by the least upper bound of both",
        SlotNotDurable "slot-not-durable"
            "a node answers an increment that it never writes down, and after a restart counts on from what it finds"
            "Shapiro and others, RR-7506 (2011), specification 6: a replica's own entry only grows",
        DotsReused "dots-reused"
            "a node numbers its additions in memory, and after a restart begins again"
            "Bieniusa and others, An Optimized Conflict-free Replicated Set (2012): every addition has a new identifier",
        RemoveByValue "remove-by-value"
            "a removal is of the value, whoever adds it again, and not of the additions that it has seen"
            "Shapiro and others, RR-7506 (2011), section 3.3.2: in a 2P-Set what was removed cannot be added again; 3.3.5: in an OR-Set it can",
    }
    ["multipaxos", "paxos"] => {
        PromiseForgotten "promise-forgotten"
            "an acceptor promises a ballot and does not write it down"
            "Paxos Made Simple §2.2: an acceptor must remember the highest-numbered prepare request to which it has responded, even if it fails and then restarts",
        AcceptForgotten "accept-forgotten"
            "an acceptor accepts and does not write down what"
            "Paxos Made Simple §2.2: an acceptor must remember the highest-numbered proposal that it has ever accepted, even if it fails and then restarts",
        BallotReused "ballot-reused"
            "a candidate does not write its ballot down, so it may make it again after a restart"
            "Paxos Made Simple §2.5: each proposer remembers in stable storage the highest-numbered proposal it has tried to issue",
        AcceptBelowPromise "accept-below-promise"
            "an acceptor accepts whatever is proposed, whatever it has promised"
            "Paxos Made Simple §2.2, P1a: an acceptor can accept a proposal numbered n iff it has not responded to a prepare request having a number greater than n",
        FirstValueFound "first-value-found"
            "a proposer goes by what it was told first, not by what was accepted under the highest ballot"
            "Paxos Made Simple §2.2, P2c: v is the value of the highest-numbered proposal among those accepted by the acceptors in S",
        OwnValueFirst "own-value-first"
            "a proposer proposes its own, or what it has accepted itself, whatever the others tell"
            "Paxos Made Simple §2.2, P2c: v is the value of the highest-numbered proposal among those accepted by the acceptors in S",
        HalfIsEnough "half-is-enough"
            "half of the nodes, rounded down, are taken for a majority"
            "Paxos Made Simple §2.2: any two majorities have at least one acceptor in common; two halves need not",
    }
    ["multipaxos"] => {
        AcksOfAnyBallot "acks-of-any-ballot"
            "a new leader counts who has accepted a command under earlier ballots, and needs no more of them if they are a majority"
            "Paxos Made Moderately Complex §2.2: a commander waits for a majority of acceptors to accept under its own ballot; the same mistake is Raft's figure 8",
        LearnsAnyBallot "learns-any-ballot"
            "a follower that hears that a slot is chosen takes what it has accepted there, under whatever ballot, for that"
            "Paxos Made Simple §2.3: a learner must find out that a proposal has been accepted by a majority, and a ballot is a part of it",
        GapFilledAlone "gap-filled-alone"
            "a new leader takes gaps for nothing at once, and asks no majority to accept that"
            "Paxos Made Simple §3: the leader fills the gap by proposing a special no-op command, and executes it once it is chosen",
        AnsweredEarly "answered-early"
            "a leader answers a write as soon as it has proposed it"
            "Paxos Made Simple §3: the server executes a command when it has been chosen and those before it have been executed",
        ReadsAlone "reads-alone"
            "a leader answers reads without asking anybody whether it still leads, and never checks its quorum"
            "Paxos Made Live §5.2: other replicas might have elected another master and modified the data structure without notifying the old one",
    }
    ["two-phase"] => {
        DecisionNotLogged "decision-not-logged"
            "a coordinator tells everybody that a transaction is committed, and does not write it down before"
            "Mohan, Lindsay and Obermarck 1986 (R*): the coordinator forces the commit record before it sends COMMIT",
        PresumesCommit "presumes-commit"
            "a coordinator that does not remember a transaction says that it committed, and never wrote down that it began"
            "Mohan, Lindsay and Obermarck 1986 (R*), presumed commit: the collecting record is forced first",
        SilenceIsYes "silence-is-yes"
            "a coordinator takes participants that have not answered in time for ones that can commit"
            "Bernstein, Hadzilacos and Goodman 1987, §7.3, AC3: commit only if all processes voted Yes",
        OwnVoteLate "own-vote-late"
            "a coordinator that hears everybody's yes before its own is on its disk takes that for a no, and aborts"
            "Bernstein, Hadzilacos and Goodman 1987, §7.3, AC4: if nothing fails and all processes vote Yes, the decision is to commit",
        AbortsAfterYes "aborts-after-yes"
            "a participant that said yes and heard nothing for a while aborts on its own"
            "Bernstein, Hadzilacos and Goodman 1987, §7.4: in its uncertainty period a process may not decide",
    }
    ["two-phase", "three-phase", "paxos-commit"] => {
        PrepareNotPersisted "prepare-not-persisted"
            "a participant promises to commit and does not write it down, so a restart makes it forget"
            "Gray 1978, Notes on Data Base Operating Systems: a participant logs that it agreed before it says so",
        CommitAppliedTwice "commit-applied-twice"
            "a participant that is told twice that a transaction committed carries it out twice"
            "Bernstein, Hadzilacos and Goodman 1987, chapter 6: what recovery redoes must be idempotent",
        ReadsIgnoreLocks "reads-ignore-locks"
            "a node answers reads at keys that a transaction in doubt has locked, with what was there before"
            "Bernstein, Hadzilacos and Goodman 1987, §3: strict two-phase locking",
        LocksNotRecovered "locks-not-recovered"
            "a participant that restarts remembers what it promised, and not the locks that go with it"
            "Mohan, Lindsay and Obermarck 1986 (R*): locks of prepared transactions are reacquired at restart",
    }
    ["three-phase"] => {
        SkipsPreCommit "skips-pre-commit"
            "a coordinator commits as soon as all have voted yes, and tells nobody before that they have"
            "Skeen 1981, Nonblocking Commit Protocols: nobody commits while anybody alive is uncertain",
        RecoveredTakesPart "recovered-takes-part"
            "a participant that was down takes part in the termination with what it knew when it went down"
            "Bernstein, Hadzilacos and Goodman 1987, §7.5: only operational processes take part in termination",
        RecoversAlone "recovers-alone"
            "a participant that was uncertain when it went down aborts when it is back, and asks nobody"
            "Skeen and Stonebraker 1983: no protocol allows independent recovery of every participant",
    }
    ["paxos-commit"] => {
        AcceptorForgets "acceptor-forgets"
            "an acceptor says that it has accepted a vote and does not write it down"
            "Gray and Lamport 2006, §4: an acceptor keeps what it accepted in stable storage",
        AbortsUnread "aborts-unread"
            "whoever takes over proposes to abort in a higher ballot, and does not ask what was accepted before"
            "Gray and Lamport 2006, §4: the leader of a higher ballot proposes what phase 1 finds; Lamport 2001, Paxos Made Simple, §2.2",
        MinorityDecides "minority-decides"
            "whoever counts is content with one acceptor fewer than a majority"
            "Gray and Lamport 2006, §4.1: any two majorities of 2F+1 acceptors have one in common",
    }
    ["zab", "zab-sync"] => {
        AcceptedEpochNotPersisted "accepted-epoch-not-persisted"
            "a node never writes down which epoch it accepted, so after a restart it accepts it for another leader, too"
            "DSN 2011: followers store the accepted epoch in stable storage",
        CurrentEpochNotPersisted "current-epoch-not-persisted"
            "a node writes down a new epoch's history and not that this epoch is now its current one"
            "Medeiros 2012: f.a is persistent, and decides who may lead",
        ElectedByEpoch "elected-by-epoch"
            "candidates are compared by their epochs alone, and a leader does not ask who has more"
            "Medeiros 2012: the leader has the highest current epoch, and of those the highest zxid",
        HistoryNotCut "history-not-cut"
            "a follower keeps transactions that its new leader does not have"
            "ZOOKEEPER-1154: data inconsistency when the node with the highest zxid is not present at the election",
        EpochBeforeHistory "epoch-before-history"
            "a follower writes the new epoch down and acknowledges it, and writes its history down later"
            "ZOOKEEPER-4643 and ZOOKEEPER-4646: committed transactions lost when a follower crashes in between",
        BroadcastBeforeSynchronisation "broadcast-before-synchronisation"
            "a leader commits its history and makes transactions as soon as a quorum has accepted its epoch"
            "Medeiros 2012: the leader commits once a quorum has acknowledged the history",
        GapsAccepted "gaps-accepted"
            "a follower takes transactions as they come, with gaps between them"
            "ZOOKEEPER-4925: data loss due to propagation of a discontinuous log; DSN 2011: local primary order",
    }
    // Who asks the leader before it reads is not harmed by these.
    ["zab"] => {
        ServedBeforeUpToDate "served-before-up-to-date"
            "a node answers reads while it looks for a leader or is brought up to date, from whatever it has"
            "Medeiros 2012: a follower is ready to serve once the history is committed",
        AnsweredBeforeApplied "answered-before-applied"
            "a follower answers a write when the leader says that it is done, before it has delivered it itself"
            "ZooKeeper's consistency guarantees: a single system image; a client sees its own writes",
    }
    ["zab-sync"] => {
        SyncNotSent "sync-not-sent"
            "a node answers reads at once, and does not ask for a sync first"
            "ZooKeeper's programmer's guide: clients that need the latest value call sync before they read",
        SyncWithoutQuorum "sync-without-quorum"
            "the leader answers a sync itself, without a quorum, and never checks whether it still leads"
            "ZOOKEEPER-1675 and ZOOKEEPER-2136: sync is not a quorum operation",
    }
    ["sharded"] => {
        ReadsPastLocks "reads-past-locks"
            "reads do not heed locks, so a transaction that is committed is seen on one shard first"
            "Bailis et al., Scalable Atomic Visibility with RAMP Transactions (2014): fractured reads",
        VotesUnprepared "votes-unprepared"
            "the leader of a participant votes yes before its group has prepared, so its successor may know nothing of it"
            "Gray and Lamport, Consensus on Transaction Commit (2006): a resource manager enters its prepared state before it says so",
        LocksOnlyWrites "locks-only-writes"
            "a transaction locks what it writes, and not what it reads"
            "GrafeoDB/grafeo #400 (write skew under serializability); Berenson and others, A Critique of ANSI SQL Isolation Levels (1995): A5B",
        DecisionForgotten "decision-forgotten"
            "a coordinator tells its decision and does not write it into its group's log, so its successor decides anew"
            "Gray, Notes on Data Base Operating Systems (1978): the coordinator logs the commit before it sends it",
        AbortsAlone "aborts-alone"
            "a participant that has prepared and hears nothing for half a second aborts"
            "Bernstein, Hadzilacos and Goodman, chapter 7: a participant that has voted yes must not decide by itself",
    }
    ["raft", "multipaxos", "abd", "zab", "zab-sync"] => {
        RotTakenForTorn "rot-taken-for-torn"
            "a node that finds a damaged record in the middle of its log takes it for the torn end, and cuts the log there (shows with --nemesis damage:rot)"
            "Alagappan and others, Protocol-Aware Recovery for Consensus-Based Storage (FAST 2018): who truncates a log where it is damaged may lose what was committed",
    }
    ["viewstamped"] => {
        RecoveringTakesPart "recovering-takes-part"
            "a replica that has lost its memory goes on as if it had never had any"
            "VR Revisited §4.3: while its status is recovering a replica does not participate",
        RecoveryWithoutPrimary "recovery-without-primary"
            "a replica recovers from anybody in the latest view that it hears of, who may lack what it had acknowledged"
            "VR Revisited §4.3: including one from the primary of the latest view it learns of",
        ViewForgotten "view-forgotten"
            "a replica that has recovered knows its log again, and not in which view it is"
            "VR Revisited §4.3: it updates its state with the view of the primary's response",
        LongestLogWins "longest-log-wins"
            "a new primary takes the longest log, whatever the view it was last in"
            "VR Revisited §4.2: the log of the message with the largest v'; only among those the longest",
        ViewChangeWithF "view-change-with-f"
            "a new primary begins its view with f testimonies, its own included"
            "VR Revisited §4.2: when the new primary receives f+1 DoViewChange messages, including itself",
    }
}

impl Flaw {
    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        self.profile().name
    }

    /// The protocols that can have it, by their names on the command line.
    pub fn protocols(self) -> &'static [&'static str] {
        self.profile().protocols
    }

    /// What it does, in one line.
    pub fn about(self) -> &'static str {
        self.profile().about
    }

    /// Who made this mistake, or where it is said not to.
    pub fn cite(self) -> &'static str {
        self.profile().cite
    }
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Flaw {
    type Err = String;

    fn from_str(text: &str) -> Result<Flaw, String> {
        Flaw::ALL.iter().copied().find(|flaw| flaw.name() == text).ok_or_else(|| {
            let names: Vec<&str> = Flaw::ALL.iter().map(|flaw| flaw.name()).collect();
            let names = names.join(", ");
            format!("{text:?} is not a flaw; the flaws are {names}")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flaw_is_listed_once_and_found_by_its_name() {
        for &flaw in Flaw::ALL {
            assert!(!flaw.about().is_empty() && !flaw.cite().is_empty());
            assert_eq!(flaw.name().parse(), Ok(flaw));
            assert!(flaw.protocols().iter().all(|name| crate::catalog::lookup(name).is_some()), "{flaw}");
        }
    }

    #[test]
    fn an_unknown_name_is_told_the_known_ones() {
        let error = "vote-twice".parse::<Flaw>().unwrap_err();
        assert!(error.contains("\"vote-twice\"") && error.contains("double-vote"), "{error}");
    }
}
