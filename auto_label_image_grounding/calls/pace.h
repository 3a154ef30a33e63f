// How fast requests are sent to one endpoint whose limits are unknown: learnt from what it refuses.
// No clock, no locks, no randomness: belongs to one thread, which passes the time in.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <queue>
#include <vector>

#include "auto_label_image_grounding/base/clock.h"

namespace alig {

// Two limits are held at a time, one on the requests in flight and one on requests per second. Each
// grows while it is what holds requests back, and falls to what the endpoint has accepted.
//
// Outcomes are counted in the order of the starts, an epoch at a time: requests that were started
// under the same limits. A request's level is how many accepted requests were in flight when it
// started. Where all refusals are at levels at which nothing was accepted, the endpoint limits the
// requests in flight; otherwise their rate; or requests are lost, whatever the load. A quarter of
// all may be lost so: as long as no limit is known, only what chance does not make of that slows
// down, or a trial at a lower rate that has made refusals fewer. Where a trial has not, their share
// is no reason to slow down from then on. Where everything is refused, one request at a time asks
// whether that is over.
class Pace {
 public:
  enum class Outcome {
    kAccepted,  // the endpoint did its work (usable answer or not)
    kRefused,   // 429, 503, 529, a timeout: too much, or too fast
    kNeutral,   // anything else: says nothing about the load
  };
  // Returned by start(), passed back to release() once.
  struct Ticket {
    std::uint64_t number = 0;
    TimePoint start;
  };

  // Never more than `max_in_flight` (at least 1) requests at once.
  Pace(int max_in_flight, TimePoint now);

  // The earliest time at which the next request may start; may lie in the past. If it does not, it
  // is when to ask again, unless another call comes first. TimePoint::max(): only a release helps.
  TimePoint ready_at(TimePoint now);
  // Call it at ready_at() or later.
  Ticket start(TimePoint now);
  // `hint`: the wait that the endpoint asked for. It is kept only where everything is refused, and
  // for a minute at most: what claims to last longer is found out by asking. A few refusals with a
  // long one, and no other outcome between, are enough.
  void release(Ticket ticket, Outcome outcome, std::optional<Duration> hint, TimePoint now);
  // The endpoint has said that nothing is left until then.
  void pause_until(TimePoint time);

  int in_flight() const { return in_flight_; }
  int concurrency() const { return single_ ? 1 : concurrency_; }  // never below 1
  // Lowest value that refusals have brought concurrency() to, for the summary.
  int lowest_concurrency() const { return lowest_; }
  // The learnt rate; none: not limited.
  std::optional<double> requests_per_second() const;

 private:
  enum class State { kPending, kAccepted, kRefused, kNeutral };
  struct Entry {
    TimePoint start;
    TimePoint end;
    Duration gap{};  // since the start before it
    std::uint64_t epoch = 0;
    int others = 0;  // in flight at its start
    int level = 0;   // those of them that were accepted
    State state = State::kPending;
    bool probe = false;       // above the limit on concurrency, to find out whether that may grow
    bool rate_bound = false;  // the rate held it back
    bool long_hint = false;   // refused, with a long hint
  };
  struct Epoch {
    int accepted = 0;
    int refused = 0;
    int rate_bound = 0;
    int top_level = -1;  // the highest that was accepted
    std::vector<int> refused_levels;
    Duration gaps_before_refused{};
    TimePoint first, last;  // starts
    int size() const { return accepted + refused; }
  };
  struct Share {
    double sent = 0;
    double refused = 0;
    double seconds = 0;
    double rate = 0;  // at first
    TimePoint first;
    double value() const { return sent > 0 ? refused / sent : 0; }
  };

  // When the next request may start.
  Duration interval() const;
  TimePoint next_by_rate() const;
  bool has_place(TimePoint now) const;
  bool may_probe() const;
  TimePoint probe_time() const;
  TimePoint place_expected() const;
  bool alarmed() const;

  // Outcomes.
  void note_outcome(Entry& entry, Outcome outcome, TimePoint now);
  void note_hint(const Entry& entry, std::optional<Duration> hint, TimePoint now);
  void learn_refusal_time(Duration took);
  void settle(TimePoint now);
  void find_level(Entry& entry, bool ended);
  void count(const Entry& entry);
  void count_in_epoch(const Entry& entry);

  // Epochs.
  void new_epoch();
  void judge_epoch(TimePoint now);
  void judge_good_epoch();
  void note_share(bool caused_by_load);
  int epoch_size() const;
  double epoch_seconds() const;
  bool is_ripe() const;
  bool is_rate_tried() const;
  bool is_higher_rate_tried() const;
  double chance_share() const;
  bool has_many_refusals() const;
  bool is_beyond_losses() const;
  bool is_wall() const;
  bool is_partial() const;
  bool is_excessive() const;
  bool is_clean() const;

  // Concurrency.
  bool is_caused_by_concurrency();
  void blame_concurrency(int limit, TimePoint now);
  void count_probe(const Entry& entry);
  void delay_probes(Duration delay, TimePoint now);
  void judge_probes(TimePoint now);

  // Rate.
  void ramp_up(TimePoint now);
  double rate_where_refused() const;
  double share_in_excess() const;
  void note_bad_rate(double used);
  void lower_rate(bool by_concurrency);
  void raise_rate();

  // Everything refused.
  void judge_all_refused(TimePoint now);
  void slow_down_much(TimePoint now);
  bool is_told_to_wait() const;
  void ask_whether_closed(TimePoint now);
  void close(TimePoint now);
  void reopen(TimePoint now);
  void restart(TimePoint now);
  void learn_from_cycle(TimePoint now);

  // Losses.
  bool wants_trial() const;
  void begin_trial();
  bool is_like_usual() const;
  bool has_helped() const;
  bool is_lowered_in_vain() const;
  void learn_losses();
  void keep_trial_rate(double tried);
  void end_trial();
  void learn_floor(double refused, double sent);
  void forget_limit();

  int max_;
  int concurrency_;
  int lowest_;
  int healthy_concurrency_;  // in the last good epoch
  double healthy_rate_ = 0;
  int in_flight_ = 0;

  // The requests that are not counted yet, by start.
  std::deque<Entry> ledger_;
  std::uint64_t first_number_ = 0;    // of ledger_.front()
  int uncounted_refusals_ = 0;        // in the ledger, of this epoch
  std::optional<Duration> patience_;  // what is older without a refusal counts as accepted
  // Of those that are counted: accepted and in flight, and when others of them ended.
  int accepted_in_flight_ = 0;
  std::priority_queue<TimePoint, std::vector<TimePoint>, std::greater<>> ends_;

  std::uint64_t epoch_number_ = 0;
  Epoch epoch_;
  Duration shortest_epoch_{};  // as long as the endpoint was closed

  int above_in_row_ = 0;  // refusals above top_in_row_, and none below, in the last epochs
  int top_in_row_ = 0;
  int probe_step_ = 1;       // probes at once
  bool probe_late_ = false;  // shortly before the next request
  Duration probe_delay_{};
  TimePoint probe_due_;
  TimePoint probed_at_;
  int accepted_since_probe_ = 0;
  int probes_pending_ = 0;
  int probes_accepted_ = 0;
  int probes_refused_ = 0;

  bool ramp_ = true;  // until the first refusals the rate doubles by time
  TimePoint begun_;
  double rate_ = 0;  // per second; 0: no limit
  double good_ = 0;  // the highest that was clean
  double bad_ = 0;   // the lowest that was not; 0: none
  double growth_;
  int hold_;  // requests at a rate just under bad_ before it is tried again
  int held_ = 0;
  TimePoint mark_;        // when the last request was due
  TimePoint started_at_;  // when it started
  TimePoint free_since_;  // when there was a place again
  Duration gap_{};        // usual time between two starts

  double sent_lately_ = 0;  // in epochs that were no walls
  double refused_lately_ = 0;
  double floor_ = 0;  // the share of refusals that is not caused by the load
  double highest_floor_ = 0;
  Share usual_;
  bool trial_ = false;
  double rate_before_trial_ = 0;
  int trial_size_ = 0;
  int trial_skip_ = 0;
  double trial_wait_;  // requests between two trials

  TimePoint paused_until_;
  std::optional<TimePoint> hinted_;  // the earliest end that a refusal of this epoch has named
  bool twice_refused_ = false;       // the epoch before was refused altogether
  int long_hints_ = 0;               // in a row
  bool single_ = false;              // one request at a time
  int concurrency_if_closed_ = 0;    // while that is asked; else 0
  bool named_an_end_ = false;        // with a hint
  Duration pause_;
  int closings_ = 0;  // in a row
  TimePoint closed_at_;
  TimePoint cycle_start_;
  double cycle_accepted_ = 0;
};

}  // namespace alig
