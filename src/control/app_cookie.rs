//! Application-based stickiness of an ALB: the cookies into which an application's own cookie is packed.
//!
//! The ALB encrypts the application's cookie into one of its own; browsers take no more than 4 KiB for each, so a larger one comes in
//! shards, four at most.
//! Source: AWS, Application Load Balancers user guide, Sticky sessions (application-based stickiness).

use super::defaults::alb;

/// The names of the cookies for an application's cookie of `bytes`; `None`: it is too large, and there is no stickiness.
pub fn names(bytes: u32) -> Option<Vec<String>> {
    let shards = bytes.div_ceil(alb::APP_COOKIE_SHARD).max(1);
    (shards <= alb::APP_COOKIE_SHARDS_MAX).then(|| (0..shards).map(|shard| format!("AWSALBAPP-{shard}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_is_cut_every_four_kib_up_to_sixteen() {
        let count = |bytes| names(bytes).map(|names| names.len());
        assert_eq!([1, 4096, 4097, 16_384, 16_385].map(count), [Some(1), Some(1), Some(2), Some(4), None]);
        assert_eq!(names(6000), Some(vec!["AWSALBAPP-0".to_owned(), "AWSALBAPP-1".to_owned()]));
    }
}
