//! What travels between places: requests on their way from hop to hop, and how much of it crosses zones.

/// Counts of counted requests; each hop between a balancer, or a client, and the next is one passage.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Crossings {
    /// Passages between two that both stand in a zone.
    pub passages: u64,
    /// Those of them between different zones.
    pub crossed: u64,
    /// Bytes of the requests that crossed and of their answers, once for each crossing.
    pub bytes: u64,
}

impl Crossings {
    pub fn pass(&mut self, is_crossing: bool, bytes: u64) {
        self.passages += 1;
        if is_crossing {
            self.crossed += 1;
            self.bytes += bytes;
        }
    }

    /// Share of the passages that crossed zones. `None` where there were none.
    pub fn share(&self) -> Option<f64> {
        (self.passages > 0).then(|| self.crossed as f64 / self.passages as f64)
    }

    pub fn gib(&self) -> f64 {
        self.bytes as f64 / (1u64 << 30) as f64
    }
}
