//! What is wrong with links: cuts and impairments.

use super::{Observation, at_once, installed};
use crate::link::Counts;
use crate::site::Site;
use cluster::Framing;
use history::{Injection, Link, Trouble};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// How long a cut or an impairment may remain unseen.
const SHOWING: Duration = Duration::from_millis(500);
/// After the first effect, how long others may take to show, so that the evidence says how wide it is.
const SETTLING: Duration = Duration::from_millis(100);

pub fn cut(site: &Arc<Site>, links: &[Link]) -> Observation {
    if links.is_empty() {
        return at_once(Injection::Skipped("no link is named".to_owned()));
    }
    // Of a stream that is no messages nothing is dropped; there, what is held back shows the cut.
    let swallowed = |counts: Counts| counts.dropped + counts.held;
    let before = site.network.counts(links);
    site.network.change(links, |condition| condition.cut = true);
    let (site, links) = (Arc::clone(site), links.to_vec());
    Box::pin(async move {
        let seen = watch(&site, &links, &before, swallowed).await;
        let (all, messages) = (links.len(), seen.iter().map(|counts| swallowed(*counts)).sum::<u64>());
        match seen.iter().filter(|counts| swallowed(**counts) > 0).count() {
            0 => Injection::Doubtful(format!(
                "nobody used the {all} cut links within {} ms",
                SHOWING.as_millis()
            )),
            some => installed(format!("{some} of {all} links swallowed {messages} messages")),
        }
    })
}

pub fn impair(site: &Arc<Site>, links: &[Link], trouble: Trouble) -> Observation {
    if links.is_empty() {
        return at_once(Injection::Skipped("no link is named".to_owned()));
    }
    if site.network.framing() == Framing::Opaque && trouble.loss + trouble.duplicate + trouble.reorder > 0 {
        let why = "this system's messages cannot be told apart, so none can be lost, repeated or overtaken";
        return at_once(Injection::Skipped(why.to_owned()));
    }
    let before = site.network.counts(links);
    site.network.change(links, |condition| condition.trouble = trouble);
    let (site, links) = (Arc::clone(site), links.to_vec());
    Box::pin(async move {
        let seen = watch(&site, &links, &before, |counts| counts.affected()).await;
        let used = seen.iter().filter(|counts| counts.met > 0).count();
        let sum = seen.iter().fold(Counts::default(), |sum, counts| sum + *counts);
        if used == 0 {
            let (all, limit) = (links.len(), SHOWING.as_millis());
            return Injection::Doubtful(format!("nobody used the {all} impaired links within {limit} ms"));
        }
        installed(format!(
            "of {} messages on {used} of {} links {} were lost, {} delayed, {} repeated, {} overtaken, {} held",
            sum.met,
            links.len(),
            sum.lost,
            sum.delayed,
            sum.duplicated,
            sum.reordered,
            sum.held
        ))
    })
}

/// Reports which links carry messages again. They are our own proxies: that they are open again is certain, even
/// if nobody uses them.
pub fn repaired(site: &Arc<Site>, links: Vec<Link>) -> Observation {
    if links.is_empty() {
        return at_once(installed("no link was in trouble"));
    }
    let (site, before) = (Arc::clone(site), site.network.counts(&links));
    Box::pin(async move {
        let seen = watch(&site, &links, &before, |counts| counts.passed).await;
        let used = seen.iter().filter(|counts| counts.passed > 0).count();
        installed(format!("{} links are open again, and {used} carried messages at once", links.len()))
    })
}

/// Waits until one of these links shows an effect, and a little longer; what all of them did meanwhile.
async fn watch(
    site: &Site,
    links: &[Link],
    before: &[Counts],
    effect: impl Fn(Counts) -> u64,
) -> Vec<Counts> {
    let (deadline, mut settled) = (Instant::now() + SHOWING, None);
    loop {
        let now = site.network.counts(links);
        let since: Vec<Counts> = now.into_iter().zip(before).map(|(now, before)| now - *before).collect();
        if settled.is_none() && since.iter().any(|counts| effect(*counts) > 0) {
            settled = Some(Instant::now() + SETTLING);
        }
        if Instant::now() >= settled.unwrap_or(deadline) {
            return since;
        }
        sleep(Duration::from_millis(10)).await;
    }
}
