//! `made = sent + queued + dropped`, whatever a killed process left half done.

use proptest::prelude::*;
use readme_metrics_core::counters::{Counter, Counts, DropReason};
use readme_metrics_core::queue::machine::state::{STATE_BYTES, State};

fn counts(words: &[u64]) -> Counts {
    let mut counts = Counts::default();
    for (counter, &word) in Counter::all().zip(words) {
        counts.set(counter, word);
    }
    counts
}

fn words() -> impl Strategy<Value = Vec<u64>> {
    prop::collection::vec(0..1000u64, readme_metrics_core::counters::COUNTERS)
}

proptest! {
    #[test]
    fn balanced_sums_balance(words in words(), queued in 0..1000u64) {
        let mut balanced = counts(&words);
        let lost = balanced.balance(queued, DropReason::Killed);
        prop_assert_eq!(balanced.get(Counter::Made), balanced.get(Counter::Sent) + balanced.dropped() + balanced.get(Counter::Sampled) + queued);
        let killed = Counter::Dropped(DropReason::Killed);
        prop_assert_eq!(balanced.get(killed), counts(&words).get(killed) + lost);
        let again = balanced.balance(queued, DropReason::Killed);
        prop_assert_eq!(again, 0);
    }

    #[test]
    fn a_state_is_read_as_it_was_written(words in words(), error in ".{0,200}", identity in any::<u64>(), flip in 0..STATE_BYTES) {
        let mut state = State::default();
        state.record_gone(identity, &counts(&words));
        state.failed(1_000, 500, &error);
        state.set_label(&error);
        let mut page = state.encode();
        prop_assert_eq!(State::decode(&page), Some(state));
        page[flip] ^= 1;
        prop_assert_eq!(State::decode(&page), None);
    }
}

#[test]
fn a_kill_between_two_steps_is_made_good() {
    let [mut queued_late, mut released_late] = [counts(&[10, 6]), counts(&[10, 8])];
    // One more was counted as made than was queued: three wait.
    assert_eq!(queued_late.balance(3, DropReason::Killed), 1);
    assert_eq!(queued_late.get(Counter::Sent), 6);
    // Two more were counted as sent than were released: four wait.
    assert_eq!(released_late.balance(4, DropReason::Killed), 0);
    assert_eq!(released_late.get(Counter::Sent), 6);
}

#[test]
fn the_sums_of_a_gone_segment_are_recorded_once() {
    let mut state = State::default();
    state.record_gone(7, &counts(&[5, 5]));
    state.record_gone(7, &counts(&[5, 5]));
    state.record_gone(8, &counts(&[1, 1]));
    assert_eq!(state.gone, counts(&[6, 6]));
}

#[test]
fn after_a_failure_one_process_probes_at_a_time() {
    let mut state = State::default();
    assert_eq!(state.claim(0, 3_000), 0);
    assert_eq!(
        state.claim(0, 3_000),
        0,
        "while all is well, no process waits for another"
    );
    state.failed(0, 500, "HTTP 503");
    assert_eq!(state.claim(100, 3_000), 400);
    assert_eq!(state.claim(500, 3_000), 0);
    assert_eq!(state.claim(501, 3_000), 2_999, "another has the turn");
    assert_eq!(state.claim(3_500, 3_000), 0, "that one has died");
    state.succeeded(3_600);
    assert_eq!(state.claim(3_600, 3_000), 0);
    assert_eq!(state.claim(3_600, 3_000), 0);
}

#[test]
fn an_unbelievable_pause_is_not_kept() {
    let mut state = State::default();
    state.failed(10_000_000, 15_000, "HTTP 503");
    assert_eq!(state.pause_ms(1_000), 0, "the clock was set back by hours");
}
