// How a run ends before its work is done.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <utility>

#include "auto_label_image_grounding/base/clock.h"
#include "auto_label_image_grounding/base/status.h"

namespace alig {

struct RunEnd {
  enum class Reason {
    kInterrupted,      // by a signal, or because the parent died
    kEndpoint,         // the endpoint makes the whole run pointless
    kMaxRequests,      // workflow.max_requests
    kTooManyFailures,  // workflow.max_failure_ratio
    kFault,            // a full disk, changed input: see `fault_kind`
  };
  Reason reason = Reason::kFault;
  std::string message;  // what happened, and what to do
  ErrorKind fault_kind = ErrorKind::kIo;

  static RunEnd fault(Error error) {
    return {Reason::kFault, std::move(error.message), error.kind};
  }
  Error error() const;
};

// Whether, and until when, a run may still finish the work in progress. One thread.
class RunEnding {
 public:
  // `stop` is called when the run begins to end: no new requests; if `cancel`, those in flight are
  // cancelled too. It may be called again.
  explicit RunEnding(std::function<void(bool cancel)> stop) : stop_(std::move(stop)) {}

  // The first reason wins, except that an interrupt replaces any reason other than an endpoint
  // fault: after such a fault it ends the wait instead.
  void end(RunEnd end, TimePoint now);
  // Ends the wait for requests in flight.
  void end_now(TimePoint now);

  const std::optional<RunEnd>& reason() const { return end_; }
  // Whether the wait is over.
  bool is_over(int in_flight, TimePoint now) const {
    return end_ && (in_flight == 0 || now >= deadline_);
  }

 private:
  std::function<void(bool)> stop_;
  std::optional<RunEnd> end_;
  TimePoint deadline_ = TimePoint::max();
};

}  // namespace alig
