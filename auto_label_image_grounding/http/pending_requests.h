// What lies between those who send requests and the one thread that serves them.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "auto_label_image_grounding/http/transport.h"

namespace alig {

// A request from send() to its end, with the promise that `done` is called exactly once: whoever
// destroys it unanswered has answered it with kOther, so no path can forget a caller.
class PendingRequest {
 public:
  PendingRequest(HttpRequest request, HttpTransport::Done done)
      : request_(std::move(request)), done_(std::move(done)) {}
  PendingRequest(PendingRequest&& other) noexcept
      : request_(std::move(other.request_)), done_(std::exchange(other.done_, nullptr)) {}
  PendingRequest& operator=(PendingRequest&&) = delete;
  ~PendingRequest();

  const HttpRequest& request() const { return request_; }
  // Calls `done`, the first time; passes its exceptions on.
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
    std::size_t cancelled = 0;  // so many of `sent`, from its front, came before the last cancel()
    bool cancel = false;        // cancel what came with earlier mail, too
    bool stop = false;
  };

  // True where the thread has to be woken: later mail joins what it has not fetched yet.
  bool add(PendingRequest request);
  void cancel();
  void stop();  // for good

  Mail take();
  Mail wait();  // until there is something to do

 private:
  Mail take_locked();

  std::mutex mutex_;
  std::condition_variable arrived_;
  Mail mail_;
  bool stopped_ = false;
};

}  // namespace alig
