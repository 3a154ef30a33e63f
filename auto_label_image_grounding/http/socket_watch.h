// Which of curl's sockets are ready, and when its timers are due: what curl_multi_socket_action()
// asks of its user (https://curl.se/libcurl/c/libcurl-multi.html, "multi_socket"). Unlike
// curl_multi_poll(), the cost of an event does not grow with the number of requests in flight.
#pragma once

#include <curl/curl.h>

#include <chrono>
#include <cstdint>
#include <optional>

namespace alig {

// One thread, the one that uses the multi handle; wake() any.
class SocketWatch {
 public:
  // Sets the callbacks of `multi`, which must outlive the watch. Throws std::system_error.
  explicit SocketWatch(CURLM* multi);
  // curl is told of nothing any more: the handles must have left `multi`.
  ~SocketWatch();
  SocketWatch(const SocketWatch&) = delete;
  SocketWatch& operator=(const SocketWatch&) = delete;

  // Waits until sockets are ready, a timer is due or wake() is called, and lets curl go on. Throws
  // std::system_error, or std::runtime_error with curl's message.
  void run_once();
  // The wait under way, or the next one, ends at once. Any thread.
  void wake();

 private:
  using Clock = std::chrono::steady_clock;

  static int on_socket(CURL* easy, curl_socket_t socket, int interest, void* self, void* known);
  static int on_timer(CURLM* multi, long milliseconds, void* self);
  void watch(curl_socket_t socket, int interest, bool known);
  int milliseconds_to_timer() const;  // -1: no timer
  bool timer_is_due() const;
  void handle(int socket, std::uint32_t events);
  void act(curl_socket_t socket, int ready);

  CURLM* multi_;
  int epoll_ = -1;
  int wake_ = -1;  // an eventfd
  std::optional<Clock::time_point> timer_;
  int error_ = 0;  // errno of a callback, which must not throw
};

}  // namespace alig
