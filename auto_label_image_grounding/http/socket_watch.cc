#include "auto_label_image_grounding/http/socket_watch.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <new>
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

SocketWatch::SocketWatch()
    : epoll_(epoll_create1(EPOLL_CLOEXEC)), wake_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.fd = wake_;
  if (epoll_ < 0 || wake_ < 0 || epoll_ctl(epoll_, EPOLL_CTL_ADD, wake_, &event) != 0) {
    const int error = errno;
    if (epoll_ >= 0) ::close(epoll_);
    if (wake_ >= 0) ::close(wake_);
    refuse(error, "cannot watch sockets");
  }
}

SocketWatch::~SocketWatch() {
  for (const Member& member : members_) {
    curl_multi_setopt(member.multi, CURLMOPT_SOCKETFUNCTION, nullptr);
    curl_multi_setopt(member.multi, CURLMOPT_TIMERFUNCTION, nullptr);
  }
  ::close(epoll_);
  ::close(wake_);
}

void SocketWatch::add(CURLM* multi) {
  Member& member = members_.emplace_back(Member{this, multi});
  curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, &on_socket);
  curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, &member);
  curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, &on_timer);
  curl_multi_setopt(multi, CURLMOPT_TIMERDATA, &member);
}

int SocketWatch::on_socket(CURL*, curl_socket_t socket, int interest, void* member, void* known) {
  auto& owner = *static_cast<Member*>(member);
  owner.watch->watch(owner, socket, interest, known != nullptr);
  return 0;
}

int SocketWatch::on_timer(CURLM*, long milliseconds, void* member) {
  std::optional<Clock::time_point>& timer = static_cast<Member*>(member)->timer;
  timer.reset();
  if (milliseconds >= 0) timer = Clock::now() + std::chrono::milliseconds(milliseconds);
  return 0;
}

void SocketWatch::watch(Member& member, curl_socket_t socket, int interest, bool known) {
  const auto index = static_cast<std::size_t>(socket);
  if (interest == CURL_POLL_REMOVE) {
    // Fails harmlessly if it is closed already; skipped if its number has been reused.
    if (index < owner_.size() && owner_[index] == &member)
      epoll_ctl(epoll_, EPOLL_CTL_DEL, socket, nullptr);
    return;
  }
  if (!make_room_for(index)) {
    error_ = ENOMEM;
    return;
  }
  epoll_event event{};
  event.events = events_of(interest);
  event.data.fd = socket;
  if (epoll_ctl(epoll_, known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, socket, &event) != 0) error_ = errno;
  curl_multi_assign(member.multi, socket, this);  // anything but null: known from now on
  owner_[index] = &member;
}

bool SocketWatch::make_room_for(std::size_t index) {
  try {
    if (index >= owner_.size()) owner_.resize(index + 1);
    return true;
  } catch (const std::bad_alloc&) {
    return false;
  }
}

void SocketWatch::wake() {
  const std::uint64_t one = 1;
  // It can only fail where the counter is full, and then the wait ends anyway.
  [[maybe_unused]] const ssize_t written = ::write(wake_, &one, sizeof(one));
}

int SocketWatch::milliseconds_to_timer() const {
  std::optional<Clock::time_point> first;
  for (const Member& member : members_) {
    if (member.timer && (!first || *member.timer < *first)) first = member.timer;
  }
  if (!first) return -1;
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(*first - Clock::now()).count();
  return static_cast<int>(std::clamp<decltype(left)>(left, 0, INT_MAX));
}

void SocketWatch::run_once() {
  std::array<epoll_event, 128> events;
  const int count =
      epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), milliseconds_to_timer());
  if (count < 0 && errno != EINTR) refuse(errno, "cannot wait for sockets");
  for (int i = 0; i < count; ++i) {
    handle(events[static_cast<std::size_t>(i)].data.fd, events[static_cast<std::size_t>(i)].events);
  }
  run_timers();
  if (error_ != 0) refuse(error_, "cannot watch a socket");
}

void SocketWatch::handle(int socket, std::uint32_t events) {
  if (socket != wake_) {
    return act(*owner_[static_cast<std::size_t>(socket)], socket, ready_of(events));
  }
  std::uint64_t count = 0;
  [[maybe_unused]] const ssize_t got = ::read(wake_, &count, sizeof(count));
}

void SocketWatch::run_timers() {
  const Clock::time_point now = Clock::now();
  for (Member& member : members_) {
    if (!member.timer || *member.timer > now) continue;
    member.timer.reset();  // one-shot; curl sets the next one
    act(member, CURL_SOCKET_TIMEOUT, 0);
  }
}

void SocketWatch::act(const Member& member, curl_socket_t socket, int ready) {
  int running = 0;
  const CURLMcode code = curl_multi_socket_action(member.multi, socket, ready, &running);
  if (code != CURLM_OK) throw std::runtime_error(curl_multi_strerror(code));
}

}  // namespace alig
