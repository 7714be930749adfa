//! The dumbest judge there is: every order of every choice of the unknown operations. It shares no code with
//! the judge that it is held against.

/// One operation as the oracle understands it.
#[derive(Debug, Clone, Copy)]
pub struct Deed {
    /// What it saw, if it looked; zero is nothing.
    pub saw: Option<i64>,
    /// What it left, if it changed anything.
    pub left: Option<i64>,
    /// When it began.
    pub from: usize,
    /// When it ended, if it certainly happened.
    pub to: Option<usize>,
}

/// Whether some order explains all that certainly happened, with any of what may have.
pub fn explains(deeds: &[Deed], held: i64) -> bool {
    extends(deeds, &mut vec![false; deeds.len()], held)
}

fn extends(deeds: &[Deed], done: &mut [bool], held: i64) -> bool {
    let left_over = |done: &[bool]| (0..deeds.len()).filter(|i| !done[*i]).collect::<Vec<_>>();
    let rest = left_over(done);
    if rest.iter().all(|i| deeds[*i].to.is_none()) {
        return true;
    }
    for i in &rest {
        let must_wait = rest.iter().any(|j| deeds[*j].to.is_some_and(|to| to < deeds[*i].from));
        if must_wait || deeds[*i].saw.is_some_and(|saw| saw != held) {
            continue;
        }
        done[*i] = true;
        if extends(deeds, done, deeds[*i].left.unwrap_or(held)) {
            return true;
        }
        done[*i] = false;
    }
    false
}

#[test]
fn the_oracle_knows_a_stale_read() {
    let write = Deed { saw: None, left: Some(1), from: 0, to: Some(1) };
    let read = |from, saw| Deed { saw: Some(saw), left: None, from, to: Some(from + 1) };
    assert!(explains(&[write, read(2, 1)], 0));
    assert!(!explains(&[write, read(2, 0)], 0));
    assert!(explains(&[Deed { to: None, ..write }, read(2, 0), read(4, 1)], 0));
    assert!(!explains(&[Deed { to: None, ..write }, read(2, 1), read(4, 0)], 0));
}
