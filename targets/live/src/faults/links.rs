//! What is wrong with links: cuts and impairments.

use super::{Observation, at_once, installed};
use crate::link::{Condition, Counts};
use crate::network::Unit;
use crate::site::Site;
use history::{Injection, Link, Trouble};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// How long a cut or an impairment may remain unseen.
const SHOWING: Duration = Duration::from_millis(500);
/// After the first effect, how long others may take to show, so that the evidence says how wide it is.
const SETTLING: Duration = Duration::from_millis(100);

/// Cuts these links.
pub fn cut(site: &Arc<Site>, links: &[Link]) -> Observation {
    if links.is_empty() {
        return at_once(Injection::Skipped("no link is named".to_owned()));
    }
    change(
        site,
        links,
        |condition| condition.cut = true,
        swallowed,
        |seen, unit| {
            let (all, swallowed) = (seen.len(), seen.iter().copied().map(swallowed));
            match swallowed.clone().filter(|swallowed| *swallowed > 0).count() {
                0 => Injection::Doubtful(format!(
                    "nobody used the {all} cut links within {} ms",
                    SHOWING.as_millis()
                )),
                some => {
                    installed(format!("{some} of {all} links swallowed {} {unit}", swallowed.sum::<u64>()))
                }
            }
        },
    )
}

/// Impairs these links.
pub fn impair(site: &Arc<Site>, links: &[Link], trouble: Trouble) -> Observation {
    if links.is_empty() {
        return at_once(Injection::Skipped("no link is named".to_owned()));
    }
    let pieces = site.hosts.network().carries() == Unit::Pieces;
    if pieces && trouble.loss + trouble.duplicate + trouble.reorder + trouble.corrupt > 0 {
        let why = "this system's messages cannot be told apart, so none can be lost, repeated, overtaken or corrupted";
        return at_once(Injection::Skipped(why.to_owned()));
    }
    if let Some(only) = trouble.only {
        let why = format!("only the simulator can tell which messages are of the kind {only}");
        return at_once(Injection::Skipped(why));
    }
    let change_it = move |condition: &mut Condition| condition.trouble = trouble;
    change(
        site,
        links,
        change_it,
        |counts| counts.affected(),
        |seen, unit| {
            let (all, used) = (seen.len(), seen.iter().filter(|counts| counts.met > 0).count());
            let sum = seen.iter().fold(Counts::default(), |sum, counts| sum + *counts);
            let Counts { met, lost, delayed, duplicated, reordered, corrupted, held, .. } = sum;
            if used == 0 {
                let limit = SHOWING.as_millis();
                return Injection::Doubtful(format!(
                    "nobody used the {all} impaired links within {limit} ms"
                ));
            }
            installed(format!(
                "of {met} {unit} on {used} of {all} links {lost} were lost, {delayed} delayed, {duplicated} repeated, \
             {reordered} overtaken, {corrupted} corrupted, {held} held"
            ))
        },
    )
}

/// Mends every link that is cut.
pub fn mend(site: &Arc<Site>) -> Observation {
    let links = site.hosts.network().all(&|condition| condition.cut);
    repair(site, &links, |condition| condition.cut = false)
}

/// Leaves every link alone that is impaired.
pub fn leave_alone(site: &Arc<Site>) -> Observation {
    let links = site.hosts.network().all(&|condition| condition.trouble != Trouble::default());
    repair(site, &links, |condition| condition.trouble = Trouble::default())
}

/// Repairs links, and reports which carry something again. They are our own: that they are open again is certain,
/// even if nobody uses them.
fn repair(site: &Arc<Site>, links: &[Link], undo: impl Fn(&mut Condition)) -> Observation {
    if links.is_empty() {
        return at_once(installed("no link was in trouble"));
    }
    change(
        site,
        links,
        undo,
        |counts| counts.passed,
        |seen, unit| {
            let (all, used) = (seen.len(), seen.iter().filter(|counts| counts.passed > 0).count());
            installed(format!("{all} links are open again, and {used} carried {unit} at once"))
        },
    )
}

/// Of a stream that is no messages nothing is dropped; there, what is held back shows the cut.
fn swallowed(counts: Counts) -> u64 {
    counts.dropped + counts.held
}

/// Changes links; what can be concluded from what they did then, as soon as one shows an effect.
fn change(
    site: &Arc<Site>,
    links: &[Link],
    change: impl Fn(&mut Condition),
    effect: fn(Counts) -> u64,
    conclude: impl FnOnce(&[Counts], Unit) -> Injection + Send + 'static,
) -> Observation {
    let network = site.hosts.network();
    let changed = network.counts(links).and_then(|before| network.change(links, &change).map(|()| before));
    let before = match changed {
        Ok(before) => before,
        Err(why) => return at_once(Injection::Doubtful(why)),
    };
    let (site, links) = (Arc::clone(site), links.to_vec());
    Box::pin(async move {
        match watch(&site, &links, &before, effect).await {
            Ok(seen) => conclude(&seen, site.hosts.network().carries()),
            Err(why) => Injection::Doubtful(why),
        }
    })
}

/// Waits until one of these links shows an effect, and a little longer; what all of them did meanwhile.
async fn watch(
    site: &Site,
    links: &[Link],
    before: &[Counts],
    effect: fn(Counts) -> u64,
) -> Result<Vec<Counts>, String> {
    let (deadline, mut settled) = (Instant::now() + SHOWING, None);
    loop {
        let now = site.hosts.network().counts(links)?;
        let since: Vec<Counts> = now.into_iter().zip(before).map(|(now, before)| now - *before).collect();
        if settled.is_none() && since.iter().any(|counts| effect(*counts) > 0) {
            settled = Some(Instant::now() + SETTLING);
        }
        if Instant::now() >= settled.unwrap_or(deadline) {
            return Ok(since);
        }
        sleep(Duration::from_millis(10)).await;
    }
}
