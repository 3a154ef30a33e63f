// Whether an endpoint is out: a circuit breaker. No clock and no locks: it belongs to one thread,
// which passes the time in.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <set>
#include <string>

#include "auto_label_image_grounding/base/clock.h"

namespace alig {

// Closed, requests are sent as usual. A series of faults without a success in between opens it:
// then one probe is sent at a time, at growing intervals, until one succeeds. A probe may be any
// request.
class Breaker {
 public:
  struct Patience {
    Duration startup = std::chrono::seconds(120);  // until the first success
    Duration outage = std::chrono::seconds(900);   // after it
  };
  // What a fault says about the endpoint.
  enum class Evidence {
    kCertain,    // nobody serves there: no connection
    kAmbiguous,  // it may as well concern the one request: a 500
  };

  explicit Breaker(Patience patience) : patience_(patience) {}

  // Any answer that shows the endpoint at work. Closes it.
  void on_success(TimePoint now);
  // `request` tells requests apart. `hint`: the wait that the endpoint asked for. While it is open,
  // only the probe counts.
  void on_fault(const void* request, Evidence evidence, std::optional<Duration> hint,
                TimePoint now);
  void on_probe_failed(std::optional<Duration> hint, TimePoint now);
  // A question that was answered before was answered again: the faults were those of requests. More
  // of them are needed then to open it the next time.
  void on_false_alarm(TimePoint now);
  // A request has used up its retries, and nothing has succeeded since its first fault.
  void open(TimePoint now);

  bool is_open() const { return opened_at_.has_value(); }
  // While it is open: the earliest time for the next probe; never, while one is under way.
  TimePoint probe_at() const { return probing_ ? TimePoint::max() : probe_at_; }
  void start_probe() { probing_ = true; }
  // A probe ended without any evidence (cancelled, rate-limited): another one may start.
  void end_probe(TimePoint now);

  // While it is open: when waiting for the endpoint becomes vain.
  TimePoint gives_up_at() const;
  bool has_succeeded() const { return successes_ > 0; }
  // Counts up with each success.
  std::uint64_t successes() const { return successes_; }
  // successes() when it was opened last.
  std::optional<std::uint64_t> opened_after() const { return opened_after_; }
  Duration patience() const { return has_succeeded() ? patience_.outage : patience_.startup; }
  // Whether the probes that have failed may have been at fault themselves.
  bool doubts_probes() const { return is_open() && probes_failed_ > 0 && certain_ == 0; }
  // How often it was opened.
  int outages() const { return outages_; }

 private:
  Patience patience_;
  std::uint64_t successes_ = 0;
  std::set<const void*> faulty_;          // requests with a fault since the last success
  std::size_t enough_ = 8;                // of them, for it to open
  int certain_ = 0;                       // faults of that evidence since the last success
  std::optional<TimePoint> first_fault_;  // since the last success
  std::optional<TimePoint> opened_at_;
  std::optional<std::uint64_t> opened_after_;
  TimePoint probe_at_;
  Duration interval_{};
  bool probing_ = false;
  int probes_failed_ = 0;  // since it opened
  int outages_ = 0;
};

}  // namespace alig
