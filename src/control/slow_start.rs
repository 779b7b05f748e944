//! How much of its weight a server has that has just joined or come back.
//!
//! Envoy and ALB grow with the age, HAProxy in sixteenths. They also differ in who is slowed: Envoy whoever joins or passes checks again,
//! HAProxy only who has been down, ALB only who joins while another target is healthy and warm (`alb_enters`).
//! Source: Envoy, source/extensions/load_balancing_policies/common/load_balancer_impl.cc (applySlowStartFactor); HAProxy, src/server.c
//! (server_recalc_eweight) and doc/configuration.txt (slowstart); AWS, Application Load Balancers user guide, Target groups (slow start
//! mode).

use super::defaults::slow_start as default;
use crate::units::Span;

/// A product's way from nothing to the full weight.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Shape {
    /// `max(share_min, (age / window)^(1 / aggression))`.
    Envoy { aggression: f64, share_min: f64 },
    /// In sixteenths, the first one at once, raised every max(1 s, window / 20).
    HaProxy,
    /// In proportion to the age.
    Linear,
}

impl Shape {
    pub fn envoy() -> Shape {
        Shape::Envoy { aggression: default::ENVOY_AGGRESSION, share_min: default::ENVOY_SHARE_MIN }
    }

    /// The part of its weight that a server has at `age`, from 0 to 1. A window of 0 is no slow start.
    pub fn factor(self, age: Span, window: Span) -> f64 {
        if age >= window {
            return 1.0;
        }
        match self {
            Shape::Envoy { aggression, share_min } => {
                let part = age.max(Span::from_millis(1)).0 as f64 / window.0 as f64;
                let grown = if aggression == 1.0 { part } else { libm::pow(part, 1.0 / aggression) };
                grown.max(share_min).min(1.0)
            }
            Shape::HaProxy => {
                let raised = age.0 / self.step(window).0 * self.step(window).0;
                let steps = default::HAPROXY_STEPS;
                ((raised as f64 / window.0 as f64 * steps as f64) as u64 + 1).min(steps) as f64 / steps as f64
            }
            Shape::Linear => age.0 as f64 / window.0 as f64,
        }
    }

    /// How often the weight is worked out anew. Envoy does it at each pick and ALB by a way of its own: a sixtieth of the window follows
    /// the line closely enough.
    pub fn step(self, window: Span) -> Span {
        match self {
            Shape::HaProxy => Span(window.0 / 20).max(default::HAPROXY_STEP_MIN),
            Shape::Envoy { .. } | Shape::Linear => Span((window.0 / 60).max(1)),
        }
    }
}

/// A target of an ALB's group, as far as slow start goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    pub is_healthy: bool,
    pub is_slow: bool,
}

/// Whether a target that turns healthy enters slow start: only while another one is healthy and not in slow start itself. So the first
/// ones of a group, registered in one operation, get their full share at once. One that turns unhealthy leaves slow start, and enters it
/// again when it is healthy again.
pub fn alb_enters(others: &[Peer]) -> bool {
    others.iter().any(|peer| peer.is_healthy && !peer.is_slow)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn s(seconds: f64) -> Span {
        Span::from_secs_f64(seconds)
    }

    fn envoy(age: f64, window: f64, aggression: f64) -> f64 {
        Shape::Envoy { aggression, share_min: 0.1 }.factor(s(age), s(window))
    }

    /// round_robin_lb_test.cc, slow start cases: 12 of 60 s is 0.2; with aggression 2, 6 of 60 s is 0.316.
    #[test]
    fn envoys_weight_grows_as_in_its_tests() {
        assert_eq!((envoy(12.0, 60.0, 1.0), envoy(60.0, 60.0, 1.0), envoy(5.0, 10.0, 1.0)), (0.2, 1.0, 0.5));
        assert!((envoy(6.0, 60.0, 2.0) - 0.316).abs() < 0.001);
        assert!((envoy(9.0, 10.0, 1.5) - 0.93).abs() < 0.01 && (envoy(8.0, 10.0, 0.9) - 0.78).abs() < 0.01);
        assert_eq!((envoy(0.0, 60.0, 1.0), envoy(5.0, 60.0, 1.0)), (0.1, 0.1), "no less than 10 %");
        assert_eq!(Shape::envoy().factor(s(0.0), s(0.0)), 1.0, "no slow start");
    }

    /// server_recalc_eweight: (16 x age + window) / window in whole seconds.
    #[test]
    fn haproxys_weight_grows_in_sixteenths() {
        let factor = |age: f64| Shape::HaProxy.factor(s(age), s(16.0)) * 16.0;
        assert_eq!([factor(0.0), factor(0.9), factor(1.0), factor(7.5), factor(15.9), factor(16.0)], [1.0, 1.0, 2.0, 8.0, 16.0, 16.0]);
        let minute = |age: f64| Shape::HaProxy.factor(s(age), s(60.0)) * 16.0;
        assert_eq!([minute(2.9), minute(3.0), minute(3.75), minute(6.0), minute(59.0)], [1.0, 1.0, 1.0, 2.0, 16.0]);
    }

    #[test]
    fn albs_weight_grows_in_proportion_to_the_age() {
        let factor = |age: f64| Shape::Linear.factor(s(age), s(30.0));
        assert_eq!([factor(0.0), factor(7.5), factor(30.0)], [0.0, 0.25, 1.0]);
    }

    #[test]
    fn albs_first_targets_do_not_start_slowly() {
        let warm = Peer { is_healthy: true, is_slow: false };
        assert!(!alb_enters(&[]) && alb_enters(&[warm]));
        assert!(!alb_enters(&[Peer { is_slow: true, ..warm }, Peer { is_healthy: false, ..warm }]));
    }

    #[test]
    fn no_weight_ever_falls_with_age() {
        for shape in [Shape::envoy(), Shape::Envoy { aggression: 0.5, share_min: 0.0 }, Shape::HaProxy, Shape::Linear] {
            let factors: Vec<f64> = (0..=700).map(|i| shape.factor(s(0.1 * f64::from(i)), s(60.0))).collect();
            assert!(factors.windows(2).all(|pair| pair[0] <= pair[1]) && factors.iter().all(|f| (0.0..=1.0).contains(f)), "{shape:?}");
            assert_eq!(factors.last(), Some(&1.0));
        }
    }
}
