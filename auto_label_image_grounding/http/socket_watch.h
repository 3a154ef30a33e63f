// Which of curl's sockets are ready, and when its timers are due: what curl_multi_socket_action()
// requires of its user (https://curl.se/libcurl/c/libcurl-multi.html, "multi_socket"). Unlike
// curl_multi_poll(), the cost of an event does not grow with the number of requests in flight, and
// one wait can cover several multi handles.
#pragma once

#include <curl/curl.h>

#include <chrono>
#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

namespace alig {

// Used by the thread that uses the multi handles; wake() by any thread.
class SocketWatch {
 public:
  SocketWatch();  // throws std::system_error
  // Does not notify curl: the easy handles must have left their multi handles.
  ~SocketWatch();
  SocketWatch(const SocketWatch&) = delete;
  SocketWatch& operator=(const SocketWatch&) = delete;

  // Sets the callbacks of `multi`, which must outlive the watch.
  void add(CURLM* multi);

  // Waits until sockets are ready, a timer is due or wake() is called, and lets curl proceed.
  // Throws std::system_error, or std::runtime_error with curl's message.
  void run_once();
  // Ends the current wait, or the next one, at once. Any thread.
  void wake();

 private:
  using Clock = std::chrono::steady_clock;

  struct Member {
    SocketWatch* watch;
    CURLM* multi;
    std::optional<Clock::time_point> timer{};
  };

  static int on_socket(CURL* easy, curl_socket_t socket, int interest, void* member, void* known);
  static int on_timer(CURLM* multi, long milliseconds, void* member);
  void watch(Member& member, curl_socket_t socket, int interest, bool known);
  bool make_room_for(std::size_t index);  // in owner_
  int milliseconds_to_timer() const;      // -1: no timer
  void handle(int socket, std::uint32_t events);
  void run_timers();
  static void act(const Member& member, curl_socket_t socket, int ready);

  int epoll_ = -1;
  int wake_ = -1;               // an eventfd
  std::deque<Member> members_;  // curl holds pointers to them
  std::vector<Member*> owner_;  // by socket: whose it is, or was
  int error_ = 0;               // errno of a callback, which must not throw
};

}  // namespace alig
