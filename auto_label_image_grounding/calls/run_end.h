// How a run ends before its work is done.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "auto_label_image_grounding/base/clock.h"
#include "auto_label_image_grounding/base/status.h"

namespace alig {

struct RunEnd {
  enum class Reason {
    kInterrupted,      // by a signal, or because the parent died
    kEndpoint,         // the endpoint makes the whole run pointless
    kMaxRequests,      // workflow.max_requests
    kTooManyFailures,  // workflow.max_failure_ratio
    kFault,            // a full disk, input that changed: `fault` tells which kind
  };
  Reason reason = Reason::kFault;
  std::string message;  // what happened, and what to do
  ErrorKind fault_kind = ErrorKind::kIo;

  static RunEnd fault(Error error) {
    return {Reason::kFault, std::move(error.message), error.kind};
  }
  Error error() const;
};

// Whether, and until when, a run may still finish what it has begun. One thread.
class RunEnding {
 public:
  // `stop` is called when the run begins to end: no new requests; true: those in flight are
  // cancelled too. It may be called again.
  explicit RunEnding(std::function<void(bool cancel)> stop) : stop_(std::move(stop)) {}

  // The first reason wins, but for an interrupt, which takes the place of any other but a fault of
  // the endpoint: that one ends the wait instead.
  void end(RunEnd end, TimePoint now);
  // Ends the wait for what is in flight.
  void end_now(TimePoint now);

  const std::optional<RunEnd>& reason() const { return end_; }
  // Whether to wait no longer.
  bool is_over(int in_flight, TimePoint now) const {
    return end_ && (in_flight == 0 || now >= deadline_);
  }

 private:
  std::function<void(bool)> stop_;
  std::optional<RunEnd> end_;
  TimePoint deadline_ = TimePoint::max();
};

}  // namespace alig
