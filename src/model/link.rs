//! A network delay in one direction, drawn from a stream of its own.

use crate::dist::Sampler;
use crate::rng::Rng;
use crate::sim::{Calendar, Lane};
use crate::units::Span;

/// How long a message takes.
pub struct Link {
    delay: Delay,
    rng: Rng,
}

enum Delay {
    None,
    Constant(Span, Lane),
    Random(Sampler),
}

impl Link {
    pub fn new<E: Copy + Default>(latency: &Sampler, rng: Rng, calendar: &mut Calendar<E>) -> Link {
        let delay = match latency.constant() {
            Some(Span::ZERO) => Delay::None,
            Some(span) => Delay::Constant(span, calendar.delay_lane(span)),
            None => Delay::Random(latency.clone()),
        };
        Link { delay, rng }
    }

    /// Schedules the arrival of a message sent now. `false`: there is no delay, and nothing was scheduled.
    #[inline(always)]
    pub fn carry<E: Copy + Default, M: Into<E>>(&mut self, event: impl FnOnce() -> M, calendar: &mut Calendar<E>) -> bool {
        match &self.delay {
            Delay::None => return false,
            Delay::Constant(span, lane) => calendar.schedule_in(*lane, calendar.now() + *span, event()),
            Delay::Random(sampler) => {
                let span = sampler.sample(&mut self.rng);
                calendar.schedule(calendar.now() + span, event());
            }
        }
        true
    }

    /// How long a message sent now takes, for those who schedule by themselves.
    pub fn draw(&mut self) -> Span {
        match &self.delay {
            Delay::None => Span::ZERO,
            Delay::Constant(span, _) => *span,
            Delay::Random(sampler) => sampler.sample(&mut self.rng),
        }
    }
}
