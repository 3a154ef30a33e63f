#include "auto_label_image_grounding/calls/run_end.h"

#include <chrono>
#include <utility>

namespace alig {
namespace {

// Until when what is in flight may finish: it is paid for, also where the endpoint refuses the next
// request. Where a disk is full, its answers could not be kept anyway.
TimePoint deadline_of(RunEnd::Reason reason, TimePoint now) {
  constexpr Duration kGrace = std::chrono::seconds(10);
  switch (reason) {
    case RunEnd::Reason::kMaxRequests:  // each request within its timeout
    case RunEnd::Reason::kTooManyFailures:
      return TimePoint::max();
    case RunEnd::Reason::kInterrupted:
    case RunEnd::Reason::kEndpoint:
      return now + kGrace;
    case RunEnd::Reason::kFault:
      break;
  }
  return now;
}

}  // namespace

Error RunEnd::error() const {
  switch (reason) {
    case Reason::kInterrupted:
      return {ErrorKind::kInterrupted, message};
    case Reason::kEndpoint:
      return {ErrorKind::kEndpoint, message};
    case Reason::kMaxRequests:
    case Reason::kTooManyFailures:
      return {ErrorKind::kUnavailable, message};
    case Reason::kFault:
      break;
  }
  return {fault_kind, message};
}

void RunEnding::end(RunEnd end, TimePoint now) {
  if (end_ && (end.reason != RunEnd::Reason::kInterrupted || end_->reason == end.reason)) return;
  if (end_ && end_->reason == RunEnd::Reason::kEndpoint) return end_now(now);
  deadline_ = deadline_of(end.reason, now);
  end_ = std::move(end);
  stop_(deadline_ <= now);
}

void RunEnding::end_now(TimePoint now) { deadline_ = now; }

}  // namespace alig
