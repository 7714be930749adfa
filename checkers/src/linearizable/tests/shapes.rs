//! Every way in which operations can lie in time.

/// An operation's place in time: it begins at the first instant and ends at the second, and comes before
/// another exactly if it ends at an earlier instant than the other begins.
pub(crate) type Interval = (usize, usize);

/// Every way in which `n` operations can lie in time, up to their names and to what no order can tell apart.
/// These are the interval orders, each in its least representation: every instant begins something and ends
/// something. Their number is Fishburn's (OEIS A022493): 1, 2, 5, 15, 53.
pub(crate) fn shapes(n: usize) -> Vec<Vec<Interval>> {
    fn extend(shape: &mut Vec<Interval>, n: usize, width: usize, found: &mut Vec<Vec<Interval>>) {
        if shape.len() == n {
            let used = |at| shape.iter().any(|(a, _)| *a == at) && shape.iter().any(|(_, b)| *b == at);
            found.extend((0..width).all(used).then(|| shape.clone()));
            return;
        }
        let least = shape.last().copied().unwrap_or((0, 0));
        for interval in (0..width).flat_map(|a| (a..width).map(move |b| (a, b))).filter(|i| *i >= least) {
            shape.push(interval);
            extend(shape, n, width, found);
            shape.pop();
        }
    }
    let mut found = Vec::new();
    for width in 1..=n {
        extend(&mut Vec::new(), n, width, &mut found);
    }
    found
}

/// Calls `visit` with every assignment of `labels` to a shape. Operations at the same place in time are alike,
/// so their labels come in one order only.
pub(crate) fn label(shape: &[Interval], labels: &dyn Fn(usize) -> usize, visit: &mut dyn FnMut(&[usize])) {
    fn extend(
        shape: &[Interval],
        labels: &dyn Fn(usize) -> usize,
        chosen: &mut Vec<usize>,
        visit: &mut dyn FnMut(&[usize]),
    ) {
        let at = chosen.len();
        if at == shape.len() {
            return visit(chosen);
        }
        let least = if at > 0 && shape[at - 1] == shape[at] { chosen[at - 1] } else { 0 };
        for next in least..labels(at) {
            chosen.push(next);
            extend(shape, labels, chosen, visit);
            chosen.pop();
        }
    }
    extend(shape, labels, &mut Vec::new(), visit);
}

/// The event indexes of a shape: at every instant all beginnings, then all endings.
pub(crate) fn indexes(shape: &[Interval]) -> Vec<Interval> {
    let mut ends: Vec<(usize, bool, usize)> = Vec::new();
    for (i, (a, b)) in shape.iter().enumerate() {
        ends.push((*a, false, i));
        ends.push((*b, true, i));
    }
    ends.sort_unstable();
    let at = |i, end| ends.iter().position(|e| (e.1, e.2) == (end, i)).unwrap();
    (0..shape.len()).map(|i| (at(i, false), at(i, true))).collect()
}
