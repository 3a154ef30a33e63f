// The transport under test, and ways for its tests to meet on several threads.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>

#include "auto_label_image_grounding/http/curl_transport.h"

namespace alig::testing {

inline std::unique_ptr<HttpTransport> transport_with(int connections,
                                                     std::uint64_t max_bytes = 64ULL << 20) {
  CurlTransportOptions options;
  options.max_connections = connections;
  options.max_response_bytes = max_bytes;
  options.user_agent = "test/1";
  return make_curl_transport(options);
}

inline std::string kind_of(const HttpOutcome& outcome) {
  if (outcome) return "HTTP " + std::to_string(outcome->status);
  return name_of(outcome.error().kind);
}

// Opens once; waiters pass from then on.
class Gate {
 public:
  void open() {
    const std::lock_guard lock(mutex_);
    open_ = true;
    changed_.notify_all();
  }
  bool wait() {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(30), [&] { return open_; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool open_ = false;
};

// Opens when so many have arrived.
class Meeting {
 public:
  explicit Meeting(int count) : missing_(count) {}
  bool arrive_and_wait() {
    std::unique_lock lock(mutex_);
    if (--missing_ <= 0) changed_.notify_all();
    return changed_.wait_for(lock, std::chrono::seconds(30), [&] { return missing_ <= 0; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  int missing_;
};

}  // namespace alig::testing
