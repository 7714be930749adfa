//! A directed graph whose edges are of kinds, and its strongly connected components.

/// Why one thing comes before another. Three bits of an edge.
pub(crate) mod kind {
    /// The next version of an object.
    pub const WW: u32 = 0;
    /// What was written was read.
    pub const WR: u32 = 1;
    /// What was read was replaced.
    pub const RW: u32 = 2;
    /// The same process, later.
    pub const PROCESS: u32 = 3;
    /// Completed before invoked.
    pub const REALTIME: u32 = 4;
    /// Goes on from an auxiliary vertex: belongs to the edge that led there.
    pub const ON: u32 = 5;
}

/// The set of some kinds, as a mask. Going on is always in it.
pub(crate) fn mask_of(kinds: &[u32]) -> u32 {
    kinds.iter().fold(1 << kind::ON, |mask, kind| mask | 1 << kind)
}

/// How many vertices there may be.
pub(crate) const VERTICES: usize = 1 << 29;

/// Edges of one vertex after another: compressed sparse rows.
#[derive(Debug, Clone, Default)]
pub(crate) struct Graph {
    row: Vec<u32>,
    edges: Vec<u32>,
}

/// The components of a graph, numbered so that every edge between two of them leads to the lower number.
#[derive(Debug, Clone)]
pub(crate) struct Components {
    /// The component of each vertex.
    pub of: Vec<u32>,
    /// How many vertices each has.
    pub sizes: Vec<u32>,
}

/// An edge as it is collected: from, to, kind.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Edge {
    from: u32,
    to: u32,
}

impl Edge {
    /// An edge of a kind.
    pub fn new(from: u32, to: u32, kind: u32) -> Edge {
        Edge { from, to: to << 3 | kind }
    }

    /// From where to where, of which kind.
    pub fn ends(self) -> (u32, u32, u32) {
        (self.from, self.to >> 3, self.to & 7)
    }
}

impl Graph {
    /// The graph of `vertices` vertices with these edges, in time linear in both.
    pub fn new(vertices: usize, edges: &[Edge]) -> Graph {
        let mut row = vec![0u32; vertices + 2];
        for edge in edges {
            row[edge.from as usize + 2] += 1;
        }
        for i in 2..row.len() {
            row[i] += row[i - 1];
        }
        let mut out = vec![0u32; edges.len()];
        for edge in edges {
            let place = &mut row[edge.from as usize + 1];
            out[*place as usize] = edge.to;
            *place += 1;
        }
        row.pop();
        Graph { row, edges: out }
    }

    /// How many vertices it has.
    pub fn len(&self) -> usize {
        self.row.len() - 1
    }

    /// The edges that leave a vertex: where to, and of which kind.
    pub fn out(&self, vertex: u32) -> impl DoubleEndedIterator<Item = (u32, u32)> + '_ {
        let (from, to) = (self.row[vertex as usize] as usize, self.row[vertex as usize + 1] as usize);
        self.edges[from..to].iter().map(|edge| (edge >> 3, edge & 7))
    }

    /// The components under the edges whose kind is in `mask`.
    ///
    /// Tarjan's algorithm in Pearce's form (*A space-efficient algorithm for finding strongly connected
    /// components*, 2016), without recursion: one number a vertex.
    pub fn components(&self, mask: u32) -> Components {
        let step = |vertex: u32, at: u32| self.step(vertex, at, mask);
        components(self.len(), |vertex| self.row[vertex as usize], step)
    }

    /// The first edge of `vertex` at or after place `at` that the mask allows.
    fn step(&self, vertex: u32, mut at: u32, mask: u32) -> Option<(u32, u32)> {
        let end = self.row[vertex as usize + 1];
        while at < end {
            let edge = self.edges[at as usize];
            at += 1;
            if mask >> (edge & 7) & 1 == 1 {
                return Some((edge >> 3, at));
            }
        }
        None
    }

    /// The components of the doubled graph: vertex `v` is there twice, as `2v` and as `2v + 1`, reached by an edge
    /// that is not, and that is, a read of what was replaced. After one of those no second may follow at once. So a
    /// circle of it is a circle without two of them in a row.
    pub fn doubled_components(&self, mask: u32) -> Components {
        let step = |vertex: u32, mut at: u32| {
            let (end, layer) = (self.row[vertex as usize / 2 + 1], vertex & 1);
            while at < end {
                let edge = self.edges[at as usize];
                let (to, kind) = (edge >> 3, edge & 7);
                at += 1;
                if mask >> kind & 1 == 0 {
                    continue;
                }
                match kind {
                    kind::RW if layer == 1 => {}
                    kind::RW => return Some((to << 1 | 1, at)),
                    kind::ON => return Some((to << 1 | layer, at)),
                    _ => return Some((to << 1, at)),
                }
            }
            None
        };
        components(2 * self.len(), |vertex| self.row[vertex as usize / 2], step)
    }

    /// The part of the graph inside components of two vertices or more.
    pub fn tangled(&self, components: &Components) -> Tangle {
        let mut new = vec![u32::MAX; self.len()];
        let mut old = Vec::new();
        for (vertex, component) in components.of.iter().enumerate() {
            if components.sizes[*component as usize] > 1 {
                new[vertex] = old.len() as u32;
                old.push(vertex as u32);
            }
        }
        let mut row = Vec::with_capacity(old.len() + 1);
        let mut edges = Vec::new();
        row.push(0);
        for vertex in &old {
            let own = components.of[*vertex as usize];
            let inside = self.out(*vertex).filter(|(to, _)| components.of[*to as usize] == own);
            edges.extend(inside.map(|(to, kind)| new[to as usize] << 3 | kind));
            row.push(edges.len() as u32);
        }
        let mut names = vec![u32::MAX; components.sizes.len()];
        let mut count = 0;
        let name = |vertex: &u32| {
            let name = &mut names[components.of[*vertex as usize] as usize];
            if *name == u32::MAX {
                *name = count;
                count += 1;
            }
            *name
        };
        let knot = old.iter().map(name).collect();
        Tangle { graph: Graph { row, edges }, old, knot, knots: count as usize }
    }
}

/// The vertices that lie on circles.
#[derive(Debug, Clone)]
pub(crate) struct Tangle {
    /// The edges between them, within each component.
    pub graph: Graph,
    /// What each was called before.
    pub old: Vec<u32>,
    /// The component of each, numbered from 0 in the order of their first vertices.
    pub knot: Vec<u32>,
    /// How many components there are.
    pub knots: usize,
}

/// Above every number of a component still open.
const DONE: u32 = u32::MAX;

fn components(
    vertices: usize,
    first: impl Fn(u32) -> u32,
    step: impl Fn(u32, u32) -> Option<(u32, u32)>,
) -> Components {
    // While a vertex is open: the lowest number that it reaches. Once it is done: DONE - its component.
    let mut low = vec![0u32; vertices];
    let mut sizes: Vec<u32> = Vec::new();
    let (mut frames, mut stack): (Vec<(u32, u32, u32)>, Vec<u32>) = (Vec::new(), Vec::new());
    let mut number = 0u32;
    for root in 0..vertices as u32 {
        if low[root as usize] != 0 {
            continue;
        }
        number += 1;
        low[root as usize] = number;
        frames.push((root, first(root), number));
        while let Some((vertex, at, own)) = frames.last_mut() {
            if let Some((to, next)) = step(*vertex, *at) {
                *at = next;
                let seen = low[to as usize];
                if seen == 0 {
                    number += 1;
                    low[to as usize] = number;
                    frames.push((to, first(to), number));
                } else if seen < low[*vertex as usize] {
                    low[*vertex as usize] = seen;
                }
                continue;
            }
            let (vertex, own) = (*vertex, *own);
            frames.pop();
            let lowest = low[vertex as usize];
            if lowest == own {
                let done = DONE - sizes.len() as u32;
                let mut size = 1;
                low[vertex as usize] = done;
                while let Some(member) = stack.pop_if(|member| low[*member as usize] >= own) {
                    low[member as usize] = done;
                    size += 1;
                }
                sizes.push(size);
            } else {
                stack.push(vertex);
            }
            if let Some((parent, _, _)) = frames.last() {
                let parent = *parent as usize;
                low[parent] = low[parent].min(low[vertex as usize]);
            }
        }
    }
    for low in &mut low {
        *low = DONE - *low;
    }
    Components { of: low, sizes }
}

impl Components {
    /// Whether there is no circle.
    pub fn acyclic(&self) -> bool {
        self.sizes.len() == self.of.len()
    }

    /// Whether a vertex lies on a circle.
    pub fn cyclic(&self, vertex: u32) -> bool {
        self.sizes[self.of[vertex as usize] as usize] > 1
    }

    /// The vertices in an order that every edge follows, if there is no circle.
    pub fn order(&self) -> Vec<u32> {
        let mut order = vec![0; self.of.len()];
        for (vertex, component) in self.of.iter().enumerate() {
            let place = self.sizes.len() - 1 - *component as usize;
            order[place] = vertex as u32;
        }
        order
    }
}
