// The queue between the senders of requests and the thread that serves them.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "auto_label_image_grounding/http/transport.h"

namespace alig {

// A request from send() to its end. Guarantees that `done` is called exactly once: destroying it
// unanswered calls `done` with kOther, so that no code path can forget a caller.
class PendingRequest {
 public:
  PendingRequest(HttpRequest request, HttpTransport::Done done)
      : request_(std::move(request)), done_(std::move(done)) {}
  PendingRequest(PendingRequest&& other) noexcept
      : request_(std::move(other.request_)), done_(std::exchange(other.done_, nullptr)) {}
  PendingRequest& operator=(PendingRequest&&) = delete;
  ~PendingRequest();

  const HttpRequest& request() const { return request_; }
  // Calls `done`, the first time only; lets its exceptions through.
  void finish(HttpOutcome outcome);
  void fail(TransportFault::Kind kind, std::string message);

 private:
  HttpRequest request_;
  HttpTransport::Done done_;
};

// The I/O thread's mailbox. Thread-safe.
class RequestInbox {
 public:
  struct Mail {
    std::vector<PendingRequest> sent;
    std::size_t cancelled = 0;  // how many of `sent`, from its front, preceded the last cancel()
    bool cancel = false;        // also cancel requests from earlier mail
    bool stop = false;
  };

  // True if the thread must be woken: later mail joins what it has not fetched yet.
  bool add(PendingRequest request);
  void cancel();
  void stop();  // for good

  Mail take();
  Mail wait();  // blocks until there is something to do

 private:
  Mail take_locked();

  std::mutex mutex_;
  std::condition_variable arrived_;
  Mail mail_;
  bool stopped_ = false;
};

}  // namespace alig
