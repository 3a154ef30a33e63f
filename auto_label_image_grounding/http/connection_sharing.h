// Whether requests share HTTP/2 connections.
#pragma once

#include <cstddef>

namespace alig {

// A server may end a connection after a number of requests (nginx: keepalive_requests); it refuses
// those that share it and come later, and they must be sent again. If it takes few on each, that
// is a large part of all. A connection of its own is then better: a request that is alone on it
// comes before the end or after it. Whether sharing has become worthwhile is tried now and then.
//
// Where requests do not share a connection anyway, as with HTTP/1.1, nothing is lost either way.
class ConnectionSharing {
 public:
  bool allowed() const { return allowed_; }
  void on_answer();
  void on_unprocessed();

 private:
  bool allowed_ = true;
  // Recent ones, while allowed.
  std::size_t answered_ = 0;
  std::size_t unprocessed_ = 0;
  // While not allowed: answers until it is tried again. Longer each time.
  std::size_t left_ = 0;
  std::size_t patience_ = 1000;
};

}  // namespace alig
