// Which of curl's sockets are ready, and when its timers are due: what curl_multi_socket_action()
// asks of its user (https://curl.se/libcurl/c/libcurl-multi.html, "multi_socket"). Unlike
// curl_multi_poll(), the cost of an event does not grow with the number of requests in flight, and
// several multi handles can be waited for at once.
#pragma once

#include <curl/curl.h>

#include <chrono>
#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

namespace alig {

// One thread, the one that uses the multi handles; wake() any.
class SocketWatch {
 public:
  SocketWatch();  // throws std::system_error
  // curl is told of nothing any more: the easy handles must have left their multi handles.
  ~SocketWatch();
  SocketWatch(const SocketWatch&) = delete;
  SocketWatch& operator=(const SocketWatch&) = delete;

  // Sets the callbacks of `multi`, which must outlive the watch.
  void add(CURLM* multi);

  // Waits until sockets are ready, a timer is due or wake() is called, and lets curl go on. Throws
  // std::system_error, or std::runtime_error with curl's message.
  void run_once();
  // The wait under way, or the next one, ends at once. Any thread.
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
  std::deque<Member> members_;  // curl points at them
  std::vector<Member*> owner_;  // by socket: whose it is, or was
  int error_ = 0;               // errno of a callback, which must not throw
};

}  // namespace alig
