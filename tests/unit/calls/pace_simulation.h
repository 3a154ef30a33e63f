// Requests to an endpoint with a limit, in simulated time: what a caller with a Pace gets done, and
// what a plain pool of workers would. Deterministic.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

namespace alig {

struct PaceScenario {
  enum class Kind {
    kNoLimit,
    kLosses,       // refuses a share of the requests, whatever the load
    kBucket,       // a token bucket of `burst` requests, refilled with `limit` per second
    kSpacing,      // refuses what comes sooner than 1/limit after the last accepted request
    kWindow,       // `limit` requests per minute, from full minute to full minute
    kConcurrency,  // refuses while `limit` requests are in flight
    kTokens,       // a bucket of `limit` tokens per minute; a request costs 500 to 3000
  };
  enum class Caller { kPace, kPlainPool };
  struct Phase {
    double from = 0;  // seconds
    double limit = 0;
  };
  Kind kind = Kind::kNoLimit;
  std::vector<Phase> limits = {{0, 0}};  // by time
  double burst = 1;                      // capacity of the bucket, in seconds of its rate; or 0: 1
  double window_start = 0;               // seconds that the first window has lasted
  bool hints = false;                    // Retry-After, in whole seconds
  double fixed_hint = 0;                 // seconds: what every hint says, however soon it is over
  bool unavailable = false;              // a refusal is a 503, not a 429
  bool slow_refusals = false;            // a refusal takes as long as a success, not 10 ms
  bool varying = false;                  // latencies are spread evenly by +-50 %
  double latency = 0.5;                  // seconds
  int workers = 16;
  double duration = 0;  // seconds; 0: the longest of 120 s, 20 latencies and 1000 requests
  int requests = 0;     // needed; 0: there are always more
  std::uint64_t seed = 1;

  double seconds() const;
  // Requests per second: what the limit and the workers allow, over the whole run.
  double ideal() const;
  bool reaches_limit() const;
  std::string name() const;
};

struct PaceResult {
  double per_second = 0;  // accepted and finished requests
  std::int64_t finished = 0;
  std::int64_t sent = 0;
  std::int64_t refused = 0;
  std::int64_t failed = 0;  // given up by decide()
  double seconds = 0;       // until the last was finished
  // Requests sent for one that was accepted.
  double cost() const {
    return static_cast<double>(sent) /
           static_cast<double>(std::max<std::int64_t>(1, sent - refused));
  }
};

PaceResult simulate(const PaceScenario& scenario,
                    PaceScenario::Caller caller = PaceScenario::Caller::kPace);

}  // namespace alig
