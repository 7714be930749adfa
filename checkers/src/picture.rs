//! A picture of what went wrong, as SVG text: who did what when, or a circle of transactions.

use crate::Anomaly;
use history::{History, Op, ProcessId, text};
use std::fmt::Write;

/// How many operations that have nothing to do with it are drawn on each side.
const AROUND: usize = 3;
/// How many operations are drawn at most.
const MOST: usize = 60;
/// How many circles are drawn side by side at most.
const CIRCLES: usize = 4;
/// How many parts of a transaction are written into its box.
const PARTS: usize = 8;

/// How wide a letter is, with something to spare.
const LETTER: usize = 7;
/// How wide text of the size of a footnote may run.
const COLUMN: usize = 120;
const ROW: usize = 34;
const LINE: usize = 16;
const LEFT: usize = 60;
const TOP: usize = 46;

/// One step of a circle: a transaction, and why the next one comes after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// What the story calls it: `T1`.
    pub name: String,
    /// Who asked whom: `p3 on n1`.
    pub who: String,
    /// What it did, part by part.
    pub parts: Vec<String>,
    /// What kind of order leads to the next: `ww`, `wr`, `rw`, `commit`, `process`, `realtime`.
    pub kind: &'static str,
    /// How that is known.
    pub why: String,
}

impl Anomaly {
    /// Draws the anomaly, as the text of an SVG file. A circle of transactions is drawn as one, top down. Of anything else the
    /// operations are drawn among those around them, a row for each process: events in their order, equally far apart; an
    /// operation that never returned is open to the right. Those of the anomaly are numbered, and written out below.
    pub fn svg(&self, history: &History) -> String {
        if self.circles.is_empty() { self.window(history) } else { self.circle() }
    }

    fn window(&self, history: &History) -> String {
        let ops = self.drawn(history);
        let mut processes: Vec<ProcessId> = ops.iter().map(|op| op.process).collect();
        processes.sort_unstable();
        processes.dedup();
        let mut instants: Vec<usize> =
            ops.iter().flat_map(|op| [Some(op.invoked), ended(op)]).flatten().collect();
        instants.sort_unstable();
        let place = |event: usize| instants.partition_point(|at| *at < event);
        let named: Vec<&Op<'_>> = ops.iter().filter(|op| self.names(op)).collect();
        let listed: Vec<String> = named.iter().enumerate().map(|(at, op)| listed(at, op)).collect();
        // As far apart that each of the anomaly's operations has room for its words, within reason.
        let room = |op: &Op<'_>| {
            let steps = ended(op).map_or(1, |end| place(end) - place(op.invoked)).max(1);
            (LETTER * (brief(op).chars().count() + 3)).div_ceil(steps)
        };
        let step = named.iter().map(|op| room(op)).max().unwrap_or(0).clamp(24, 70);
        let below: Vec<String> = listed.iter().flat_map(|line| folded(line, COLUMN)).collect();
        let longest = below.iter().map(|line| line.chars().count()).max().unwrap_or(0);
        let width = (LEFT + step * (instants.len() + 1)).max(2 * 10 + LETTER * longest).max(480);
        let height = TOP + ROW * processes.len() + 12 + LINE * below.len() + 12;
        let mut svg = begin(width, height, &self.title());
        let x = |event: usize| LEFT + step * place(event) + step / 2;
        for (row, process) in processes.iter().enumerate() {
            let y = TOP + ROW * row + ROW / 2;
            let _ = writeln!(
                svg,
                "<text x=\"10\" y=\"{}\">{process}</text>\n<line x1=\"{LEFT}\" y1=\"{y}\" x2=\"{width}\" y2=\"{y}\" \
                 stroke=\"#ddd\"/>",
                y + 4
            );
        }
        for op in &ops {
            let row = processes.binary_search(&op.process).unwrap_or(0);
            let number = named.iter().position(|other| other.invoked == op.invoked);
            let to = ended(op).map_or(width, x);
            draw(&mut svg, op, number, TOP + ROW * row + 5, (x(op.invoked), to));
        }
        write_lines(&mut svg, &below, 10, TOP + ROW * processes.len() + 12 + 12);
        svg.push_str("</svg>\n");
        svg
    }

    fn title(&self) -> String {
        match self.key {
            Some(key) => format!("{} on {key}", self.name),
            None => self.name.clone(),
        }
    }

    fn names(&self, op: &Op<'_>) -> bool {
        self.events.binary_search(&op.invoked).is_ok()
            || op.completed.is_some_and(|completed| self.events.binary_search(&completed).is_ok())
    }

    /// The operations of the anomaly, and some around them on the same object.
    fn drawn<'h>(&self, history: &'h History) -> Vec<Op<'h>> {
        let other = |op: &Op<'_>| op.call.key().is_some() && op.call.key() != self.key;
        let same = |op: &Op<'_>| self.key.is_none() || self.names(op) || !other(op);
        let ops: Vec<Op<'h>> = history.ops().filter(same).collect();
        let mut near = vec![false; ops.len()];
        for at in (0..ops.len()).filter(|at| self.names(&ops[*at])) {
            let until = ops.len().min(at + AROUND + 1);
            near[at.saturating_sub(AROUND)..until].fill(true);
        }
        let mut drawn: Vec<Op<'h>> =
            ops.into_iter().zip(near).filter(|(_, near)| *near).map(|(op, _)| op).collect();
        while drawn.len() > MOST {
            match drawn.iter().rposition(|op| !self.names(op)) {
                Some(at) => drop(drawn.remove(at)),
                None => drawn.truncate(MOST),
            }
        }
        drawn
    }

    /// Circles side by side, each a column of boxes with an arrow from each to the next, and back from the last to the first.
    fn circle(&self) -> String {
        const WIDTH: usize = 460;
        let circles = &self.circles[..self.circles.len().min(CIRCLES)];
        let mut body = String::new();
        let mut height = 0;
        for (column, circle) in circles.iter().enumerate() {
            height = height.max(draw_circle(&mut body, circle, WIDTH * column + 40, WIDTH - 60));
        }
        let left_out = self.circles.len() - circles.len();
        let title = match (self.circles.len(), left_out) {
            (1, _) => self.title(),
            (_, 0) => format!("{}: every order closes one of these circles", self.title()),
            (_, more) => {
                format!("{}: every order closes one of these circles, or of {more} more", self.title())
            }
        };
        let width = (WIDTH * circles.len()).max(20 + 9 * title.chars().count());
        format!("{}{ARROW}{body}</svg>\n", begin(width, height + 16, &title))
    }
}

const ARROW: &str = "<defs><marker id=\"arrow\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"8\" markerHeight=\"8\" \
                     orient=\"auto\"><path d=\"M0,0 L8,4 L0,8 z\" fill=\"#444\"/></marker></defs>\n";

/// Draws one circle from `left` on; how far down it reaches.
fn draw_circle(svg: &mut String, circle: &[Link], left: usize, width: usize) -> usize {
    let letters = width / LETTER;
    let mut y = TOP;
    for (place, link) in circle.iter().enumerate() {
        let mut lines: Vec<String> =
            link.parts.iter().take(PARTS).flat_map(|part| folded(part, letters - 4)).collect();
        if link.parts.len() > PARTS {
            lines.push(format!("… and {} more", link.parts.len() - PARTS));
        }
        let height = LINE * (lines.len() + 1) + 10;
        let _ = writeln!(
            svg,
            "<rect x=\"{left}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" rx=\"4\" fill=\"#e4eefc\" stroke=\"#69c\"/>\n\
             <text x=\"{}\" y=\"{}\" font-weight=\"bold\">{}</text><text x=\"{}\" y=\"{}\" fill=\"#555\">{}</text>",
            left + 8,
            y + LINE,
            escaped(&link.name),
            left + 12 + 9 * link.name.chars().count(),
            y + LINE,
            escaped(&link.who)
        );
        write_lines(svg, &lines, left + 16, y + 2 * LINE);
        y += height;
        let why = folded(&link.why, letters - 5);
        let (from, x, colour) = (y, left + 20, colour(link.kind));
        let gap = LINE * (why.len() + 1) + 12;
        let dashes =
            if matches!(link.kind, "process" | "realtime") { " stroke-dasharray=\"5 3\"" } else { "" };
        let path = match place + 1 < circle.len() {
            true => format!("M{x},{from} V{}", from + gap),
            // Back to the first, around all of them.
            false => format!("M{x},{from} V{} H{} V{} H{left}", from + gap, left - 24, TOP + 14),
        };
        let _ = writeln!(
            svg,
            "<path d=\"{path}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.6\"{dashes} marker-end=\"url(#arrow)\"/>\n\
             <text x=\"{}\" y=\"{}\" font-weight=\"bold\" fill=\"{colour}\">{}</text>",
            x + 12,
            from + LINE + 2,
            link.kind
        );
        write_lines(svg, &why, x + 12, from + 2 * LINE + 2);
        y += gap;
    }
    y
}

fn colour(kind: &str) -> &'static str {
    match kind {
        "ww" => "#7a3db8",
        "wr" => "#1f7a3d",
        "rw" => "#c00000",
        _ => "#666666",
    }
}

fn begin(width: usize, height: usize, title: &str) -> String {
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} \
         {height}\" font-family=\"sans-serif\" font-size=\"11\">\n<rect width=\"100%\" height=\"100%\" \
         fill=\"white\"/>\n<text x=\"10\" y=\"22\" font-size=\"14\" font-weight=\"bold\">{}</text>\n",
        escaped(title)
    )
}

fn write_lines(svg: &mut String, lines: &[String], x: usize, y: usize) {
    for (row, line) in lines.iter().enumerate() {
        let _ = writeln!(svg, "<text x=\"{x}\" y=\"{}\">{}</text>", y + LINE * row, escaped(line));
    }
}

fn draw(svg: &mut String, op: &Op<'_>, number: Option<usize>, y: usize, (from, to): (usize, usize)) {
    let (fill, stroke) = match (number, op.outcome.is_fail()) {
        (Some(_), _) => ("#ffd9d9", "#c00"),
        (None, true) => ("#f4f4f4", "#bbb"),
        (None, false) => ("#e4eefc", "#69c"),
    };
    let dashes = if ended(op).is_none() { " stroke-dasharray=\"4 3\"" } else { "" };
    let width = to.saturating_sub(from);
    let brief = number.map_or_else(|| brief(op), |number| format!("{}  {}", number + 1, brief(op)));
    let _ = writeln!(
        svg,
        "<g><title>{}</title><rect x=\"{from}\" y=\"{y}\" width=\"{width}\" height=\"{}\" rx=\"3\" fill=\"{fill}\" \
         stroke=\"{stroke}\"{dashes}/><text x=\"{}\" y=\"{}\">{}</text></g>",
        escaped(&text::show(op)),
        ROW - 10,
        from + 4,
        y + 16,
        escaped(&fitted(&brief, width.saturating_sub(4) / LETTER))
    );
}

/// When it certainly was over.
fn ended(op: &Op<'_>) -> Option<usize> {
    op.completed.filter(|_| !op.outcome.is_unknown())
}

/// What was asked and answered.
fn brief(op: &Op<'_>) -> String {
    let told = text::show(op);
    let call = told.split_once(':').map_or(told.as_str(), |(_, rest)| rest);
    let (call, end) = call.rsplit_once('[').unwrap_or((call, ""));
    let mark = if end.contains('!') { " !" } else { "" };
    format!("{call}{mark}")
}

/// One operation of the anomaly below the picture.
fn listed(place: usize, op: &Op<'_>) -> String {
    let end = match op.completed {
        _ if ended(op).is_some() => "",
        Some(_) => ", outcome unknown",
        None => ", never completed",
    };
    format!("{}  {} on {}{end}", place + 1, text::show(op), op.node)
}

/// As much of it as has room.
fn fitted(text: &str, letters: usize) -> String {
    match text.chars().count() <= letters {
        true => text.to_owned(),
        false if letters < 2 => String::new(),
        false => text.chars().take(letters - 1).chain(['…']).collect(),
    }
}

/// Lines of so many letters at most. A word that is longer is cut.
fn folded(text: &str, letters: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        let word = fitted(word, letters.max(2));
        match lines.last_mut().filter(|line| line.chars().count() + 1 + word.chars().count() <= letters) {
            Some(line) => {
                line.push(' ');
                line.push_str(&word);
            }
            None => lines.push(word),
        }
    }
    lines
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use crate::{Budget, Checker, Linearizable, ListAppend, Set};
    use history::text;

    #[test]
    fn a_stale_read_is_drawn_with_all_its_operations() {
        let history = text::parse("A:wx1[0,1]; B:wx2[2,3]; C:rx1[4,5]; D:wx3[6,?]; E:wy1[7,8]").unwrap();
        let report = Linearizable::default().check(&history, &Budget::default());
        let svg = report.anomalies[0].svg(&history);
        assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"), "{svg}");
        assert!(svg.contains("stale read on k0"), "{svg}");
        assert_eq!(svg.matches("#ffd9d9").count(), 3, "{svg}");
        assert_eq!(svg.matches("<rect").count(), 1 + 4, "the other key is left out: {svg}");
        assert_eq!(svg.matches("stroke-dasharray").count(), 1, "one is still open: {svg}");
        assert!(svg.contains(">3 p2:r k0 1[4,5] on n1<"), "each is written out below: {svg}");
    }

    #[test]
    fn what_is_drawn_stays_small_however_long_the_history() {
        let mut told = String::from("A:add1[0,1]; ");
        (0..5_000).for_each(|n| told.push_str(&format!("B:add{}[{},{}]; ", n + 2, 2 * n + 2, 2 * n + 3)));
        told.push_str("C:r{7}[20000,20001]");
        let history = text::parse(&told).unwrap();
        let report = Set.check(&history, &Budget::default());
        let svg = report.anomalies[0].svg(&history);
        assert!(svg.matches("<rect").count() <= 1 + super::MOST && svg.len() < 40_000, "{}", svg.len());
    }

    #[test]
    fn a_circle_of_transactions_is_drawn_with_its_evidence() {
        let history = text::parse("A:[ax1 ay1][0,2]; B:[rx1 ry][1,3]").unwrap();
        let report = ListAppend::default().check(&history, &Budget::default());
        let svg = report.anomalies[0].svg(&history);
        for part in ["G-single", ">T1<", ">T2<", ">wr<", ">rw<", "append k0 1", "of which 1 is T1's"] {
            assert!(svg.contains(part), "{part}: {svg}");
        }
        assert_eq!(svg.matches("marker-end").count(), 2, "{svg}");
    }
}
