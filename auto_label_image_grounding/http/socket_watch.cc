#include "auto_label_image_grounding/http/socket_watch.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <stdexcept>
#include <system_error>

namespace alig {
namespace {

[[noreturn]] void refuse(int error, const char* what) {
  throw std::system_error(error, std::generic_category(), what);
}

std::uint32_t events_of(int interest) {
  std::uint32_t events = 0;
  if ((interest & CURL_POLL_IN) != 0) events |= EPOLLIN;
  if ((interest & CURL_POLL_OUT) != 0) events |= EPOLLOUT;
  return events;
}

// An error of the socket shows as readiness: curl then meets it in recv() or send(), and says what
// it was.
int ready_of(std::uint32_t events) {
  constexpr std::uint32_t kBroken = EPOLLERR | EPOLLHUP;
  int ready = 0;
  if ((events & (EPOLLIN | kBroken)) != 0) ready |= CURL_CSELECT_IN;
  if ((events & (EPOLLOUT | kBroken)) != 0) ready |= CURL_CSELECT_OUT;
  return ready;
}

}  // namespace

SocketWatch::SocketWatch(CURLM* multi)
    : multi_(multi),
      epoll_(epoll_create1(EPOLL_CLOEXEC)),
      wake_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.fd = wake_;
  if (epoll_ < 0 || wake_ < 0 || epoll_ctl(epoll_, EPOLL_CTL_ADD, wake_, &event) != 0) {
    const int error = errno;
    if (epoll_ >= 0) ::close(epoll_);
    if (wake_ >= 0) ::close(wake_);
    refuse(error, "cannot watch sockets");
  }
  curl_multi_setopt(multi_, CURLMOPT_SOCKETFUNCTION, &on_socket);
  curl_multi_setopt(multi_, CURLMOPT_SOCKETDATA, this);
  curl_multi_setopt(multi_, CURLMOPT_TIMERFUNCTION, &on_timer);
  curl_multi_setopt(multi_, CURLMOPT_TIMERDATA, this);
}

SocketWatch::~SocketWatch() {
  curl_multi_setopt(multi_, CURLMOPT_SOCKETFUNCTION, nullptr);
  curl_multi_setopt(multi_, CURLMOPT_TIMERFUNCTION, nullptr);
  ::close(epoll_);
  ::close(wake_);
}

int SocketWatch::on_socket(CURL*, curl_socket_t socket, int interest, void* self, void* known) {
  static_cast<SocketWatch*>(self)->watch(socket, interest, known != nullptr);
  return 0;
}

int SocketWatch::on_timer(CURLM*, long milliseconds, void* self) {
  auto& watch = *static_cast<SocketWatch*>(self);
  watch.timer_.reset();
  if (milliseconds >= 0) watch.timer_ = Clock::now() + std::chrono::milliseconds(milliseconds);
  return 0;
}

void SocketWatch::watch(curl_socket_t socket, int interest, bool known) {
  if (interest == CURL_POLL_REMOVE) {
    epoll_ctl(epoll_, EPOLL_CTL_DEL, socket, nullptr);  // in vain where it is closed already
    return;
  }
  epoll_event event{};
  event.events = events_of(interest);
  event.data.fd = socket;
  if (epoll_ctl(epoll_, known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, socket, &event) != 0) error_ = errno;
  curl_multi_assign(multi_, socket, this);  // anything but null: known from now on
}

void SocketWatch::wake() {
  const std::uint64_t one = 1;
  // It can only fail where the counter is full, and then the wait ends anyway.
  [[maybe_unused]] const ssize_t written = ::write(wake_, &one, sizeof(one));
}

int SocketWatch::milliseconds_to_timer() const {
  if (!timer_) return -1;
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(*timer_ - Clock::now()).count();
  return static_cast<int>(std::clamp<decltype(left)>(left, 0, INT_MAX));
}

bool SocketWatch::timer_is_due() const { return timer_ && *timer_ <= Clock::now(); }

void SocketWatch::run_once() {
  std::array<epoll_event, 128> events;
  const int count =
      epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), milliseconds_to_timer());
  if (count < 0 && errno != EINTR) refuse(errno, "cannot wait for sockets");
  for (int i = 0; i < count; ++i) {
    handle(events[static_cast<std::size_t>(i)].data.fd, events[static_cast<std::size_t>(i)].events);
  }
  if (timer_is_due()) {
    timer_.reset();  // one-shot; curl sets the next one
    act(CURL_SOCKET_TIMEOUT, 0);
  }
  if (error_ != 0) refuse(error_, "cannot watch a socket");
}

void SocketWatch::handle(int socket, std::uint32_t events) {
  if (socket != wake_) return act(socket, ready_of(events));
  std::uint64_t count = 0;
  [[maybe_unused]] const ssize_t got = ::read(wake_, &count, sizeof(count));
}

void SocketWatch::act(curl_socket_t socket, int ready) {
  int running = 0;
  const CURLMcode code = curl_multi_socket_action(multi_, socket, ready, &running);
  if (code != CURLM_OK) throw std::runtime_error(curl_multi_strerror(code));
}

}  // namespace alig
